// A Restate service that places orders through the gateway: POST /Orders/place {"userId": 1, "total": "9.99"}.
//
// Kill it when you like and start it again: Restate goes on where it was, and the order is placed once.

import { createServer } from 'node:http2';
import { RetryableError, TerminalError, createEndpointHandler, service } from '@restatedev/restate-sdk';
import { send } from '../javascript/gateway.mjs';

const INSERT = 'INSERT INTO orders (user_id, total) VALUES (:userId, :total) RETURNING id';

/** A request to the gateway, as a step of the handler that calls it. Each step of a handler has a name of its own. */
function gatewayStep(ctx, name, endpoint, request) {
  // The same whenever Restate runs the step again, in whichever process.
  const activityId = `${ctx.request().id}/${name}`;

  return ctx.run(name, async () => {
    try {
      return await send(endpoint, { ...request, activityId });
    } catch (error) {
      if (!error.retryable) throw new TerminalError(error.message, { errorCode: error.status });
      // Restate waits as long as the gateway asks for, else as its own retry policy says.
      throw RetryableError.from(error, error.retryAfter && { retryAfter: { seconds: error.retryAfter } });
    }
  });
}

const orders = service({
  name: 'Orders',
  handlers: {
    place: async (ctx, { userId, total }) => {
      const answer = await gatewayStep(ctx, 'insert-order', 'execute', { sql: INSERT, parameters: { userId, total } });
      return { orderId: answer.rows[0].id };
    },
  },
});

const server = createServer(createEndpointHandler({ services: [orders] }));
server.listen(Number(process.env.PORT || 9080), '127.0.0.1', () =>
  console.log(`serving on http://127.0.0.1:${server.address().port}`),
);
