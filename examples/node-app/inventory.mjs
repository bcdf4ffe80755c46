import { failure } from './failure.mjs';

/** The inventory, asked over HTTP: the Go half of the shop. */
export function inventoryAt(base) {
  return {
    async available(productId, headers) {
      const response = await fetch(`${base}/stock/${productId}`, { headers, signal: AbortSignal.timeout(2000) }).catch(
        (error) => {
          throw failure(502, `inventory: ${error.cause?.code ?? error.name}`);
        },
      );
      const answer = await response.json();
      if (response.status === 404) throw failure(404, answer.error);
      if (!response.ok) throw failure(502, `inventory: ${response.status}`);
      return answer.available;
    },
  };
}
