// A DBOS workflow that places an order through the gateway:
//
//     npm start -- order-1 1 9.99
//
// The order's ID is the workflow's. Kill it when you like and start it again: DBOS goes on where it was, and the order
// is placed once.

import { setTimeout as sleep } from 'node:timers/promises';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { send } from '../javascript/gateway.mjs';

const INSERT = 'INSERT INTO orders (user_id, total) VALUES (:userId, :total) RETURNING id';

/** A request to the gateway, as a step of the workflow that calls it. */
function gatewayStep(name, endpoint, request) {
  const activity = () =>
    send(endpoint, {
      ...request,
      // The same whenever DBOS runs the step again, in whichever process.
      activityId: `${DBOS.workflowID}/${DBOS.stepID}`,
      attempt: DBOS.stepStatus.currentAttempt,
    });

  return DBOS.runStep(activity, {
    name,
    retriesAllowed: true,
    maxAttempts: 8,
    intervalSeconds: 0.5,
    // DBOS has an interval of its own only: what the gateway asks for is waited for here, and comes on top.
    shouldRetry: async (error) => {
      if (!error.retryable) return false;
      await sleep(1000 * (error.retryAfter ?? 0));
      return true;
    },
  });
}

const placeOrder = DBOS.registerWorkflow(
  async (userId, total) => {
    const answer = await gatewayStep('insert order', 'execute', { sql: INSERT, parameters: { userId, total } });
    return answer.rows[0].id;
  },
  { name: 'placeOrder' },
);

const [orderId, userId, total] = process.argv.slice(2);
if (!total) {
  console.error('usage: place_order.mjs ORDER-ID USER-ID TOTAL');
  process.exit(1);
}

DBOS.setConfig({
  name: 'gateway-example',
  systemDatabaseUrl: process.env.DBOS_SYSTEM_DATABASE_URL,
  runAdminServer: false,
});
// Takes up what an earlier process has left.
await DBOS.launch();
try {
  const workflow = await DBOS.startWorkflow(placeOrder, { workflowID: orderId })(Number(userId), total);
  console.log(`placed as ${await workflow.getResult()}`);
} catch (error) {
  console.error(`not placed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await DBOS.shutdown();
}
