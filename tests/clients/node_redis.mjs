// node-redis at its defaults: HELLO 3, automatic pipelining.

import assert from 'node:assert/strict';
import readline from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { createRequire } from 'node:module';

const require = createRequire(process.env.CLIENTS + '/');
const { createClient } = require('redis');
const [host, port, servers] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const client = createClient({ socket: { host, port } });
client.on('error', () => {});
await client.connect();
assert.equal(await client.set('node:a', 'é'), 'OK');
assert.equal(await client.get('node:a'), 'é');
assert.equal(await client.get('node:absent'), null);
assert.equal(await client.ping(), 'PONG');
const numbers = [...Array(50).keys()].map(String);
await client.mSet(numbers.map((n) => [`node:${n}`, n]));
assert.deepEqual(await client.mGet(numbers.map((n) => `node:${n}`)), numbers);
await client.hSet('node:hash', { a: '1', b: '2' });
assert.deepEqual({ ...(await client.hGetAll('node:hash')) }, { a: '1', b: '2' });
// What is asked for in one turn goes out as one pipeline.
const pairs = await Promise.all(
  numbers.flatMap((n) => [client.set(`node:p${n}`, n), client.get(`node:p${n}`)]),
);
assert.deepEqual(pairs, numbers.flatMap((n) => ['OK', n]));
await client.del('node:list');
await client.rPush('node:list', 'x');
await assert.rejects(client.incr('node:list'), /WRONGTYPE/);
await assert.rejects(client.sendCommand(['NONSENSE']), /unknown command/);
assert.equal(await client.lLen('node:list'), 1);
if (servers === 1) {
  assert.deepEqual(await client.multi().set('node:a', '5').incr('node:a').exec(), ['OK', 6]);
  const other = client.duplicate();
  other.on('error', () => {});
  await other.connect();
  const said = new Promise((resolve) => other.subscribe('node:channel', resolve));
  while ((await client.publish('node:channel', 'hello')) === 0) await setTimeout(5);
  assert.equal(await said, 'hello');
  other.destroy();
  const waiting = client.duplicate();
  waiting.on('error', () => {});
  await waiting.connect();
  const popped = waiting.blPop('node:queue', 0);
  await client.rPush('node:queue', 'x');
  assert.equal((await popped).element, 'x');
  waiting.destroy();
  const found = [];
  for await (const keys of client.scanIterator({ MATCH: 'node:*' })) found.push(...keys);
  assert.ok(found.includes('node:a'));
}
console.log('ready');
for await (const _line of readline.createInterface({ input: process.stdin })) {
  for (let attempt = 0; ; attempt += 1) {
    assert.ok(attempt < 2000, 'not back');
    const reply = await client.set('node:back', 'x').catch(() => setTimeout(10));
    if (reply === 'OK') break;
  }
  console.log('back');
}
client.destroy();
