/** An error with the status that a client should see: what fastify does with `statusCode`. */
export const failure = (statusCode, message) => Object.assign(new Error(message), { statusCode });
