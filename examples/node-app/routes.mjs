import { failure } from './failure.mjs';
import { price } from './price.mjs';
import { traceHeaders } from './trace-headers.mjs';

const positive = { type: 'integer', minimum: 1, maximum: 1_000_000 };
const wanted = {
  type: 'object',
  required: ['productId', 'quantity', 'unitCents'],
  properties: { productId: positive, quantity: positive, unitCents: positive },
};

let quotesMade = Date.now();

/** The shop's prices: a fastify plugin. */
export async function routes(app, { database, inventory }) {
  app.get('/healthz', async () => {
    await database.query('SELECT 1');
    return { status: 'ok' };
  });

  /** The best discount there is for a quantity: one query. */
  app.get('/discounts/:quantity', async (request) => {
    const percent = await discountFor(Number(request.params.quantity), traceHeaders(request));
    return { percent };
  });

  /** A binding offer: two queries and a question to the inventory. */
  app.post('/quotes', { schema: { body: wanted } }, async (request, reply) => {
    const { productId, quantity, unitCents } = request.body;
    const trace = traceHeaders(request);
    const [discountPercent, available] = await Promise.all([
      discountFor(quantity, trace),
      inventory.available(productId, trace),
    ]);
    const number = ++quotesMade;
    const cents = price({ number, sku: `TEA-${productId}`, unitCents, quantity, discountPercent, available });
    await database.query(
      'INSERT INTO quotes (number, product_id, quantity, cents) VALUES ($1, $2, $3, $4)',
      [number, productId, quantity, cents],
      trace,
    );
    reply.code(201);
    return { number, cents };
  });

  /** Fails, as services do when a migration was forgotten: the column is not there. */
  app.get('/quotes', (request) =>
    database.query(
      'SELECT number, currency, cents FROM quotes ORDER BY number DESC LIMIT 20',
      [],
      traceHeaders(request),
    ),
  );

  async function discountFor(quantity, trace) {
    if (!(quantity >= 1)) throw failure(400, 'a quantity of at least 1, please');
    const [best] = await database.query(
      'SELECT percent FROM discounts WHERE min_quantity <= $1 ORDER BY min_quantity DESC LIMIT 1',
      [quantity],
      trace,
    );
    return best.percent;
  }
}
