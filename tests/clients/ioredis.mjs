// ioredis at its defaults: HELLO 3, and INFO before it is ready.

import assert from 'node:assert/strict';
import readline from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { createRequire } from 'node:module';

const require = createRequire(process.env.CLIENTS + '/');
const { Redis } = require('ioredis');
const [host, port, servers] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const client = new Redis({ host, port });
client.on('error', () => {});
assert.equal(await client.set('io:a', 'é'), 'OK');
assert.equal(await client.get('io:a'), 'é');
assert.equal(await client.get('io:absent'), null);
const binary = Buffer.from([...Array(256).keys()]);
await client.set('io:binary', binary);
assert.deepEqual(await client.getBuffer('io:binary'), binary);
const numbers = [...Array(50).keys()].map(String);
await client.mset(...numbers.flatMap((n) => [`io:${n}`, n]));
assert.deepEqual(await client.mget(...numbers.map((n) => `io:${n}`)), numbers);
await client.hset('io:hash', 'a', '1');
assert.deepEqual({ ...(await client.hgetall('io:hash')) }, { a: '1' });
const pipeline = client.pipeline();
for (const n of numbers) pipeline.set(`io:p${n}`, n).get(`io:p${n}`);
const replies = await pipeline.exec();
assert.deepEqual(replies, numbers.flatMap((n) => [[null, 'OK'], [null, n]]));
await client.del('io:list');
await client.rpush('io:list', 'x');
await assert.rejects(client.incr('io:list'), /WRONGTYPE/);
await assert.rejects(client.call('NONSENSE'), /unknown command/);
assert.equal(await client.llen('io:list'), 1);
if (servers === 1) {
  const replies = await client.multi().set('io:a', '5').incr('io:a').exec();
  assert.deepEqual(replies, [[null, 'OK'], [null, 6]]);
  const other = client.duplicate();
  other.on('error', () => {});
  await other.subscribe('io:channel');
  const said = new Promise((resolve) => other.on('message', (_name, text) => resolve(text)));
  assert.equal(await client.publish('io:channel', 'hello'), 1);
  assert.equal(await said, 'hello');
  other.disconnect();
  const waiting = client.duplicate();
  waiting.on('error', () => {});
  const popped = waiting.blpop('io:queue', 0);
  await client.rpush('io:queue', 'x');
  assert.deepEqual(await popped, ['io:queue', 'x']);
  waiting.disconnect();
}
console.log('ready');
for await (const _line of readline.createInterface({ input: process.stdin })) {
  for (let attempt = 0; ; attempt += 1) {
    assert.ok(attempt < 2000, 'not back');
    const reply = await client.set('io:back', 'x').catch(() => setTimeout(10));
    if (reply === 'OK') break;
  }
  console.log('back');
}
client.disconnect();
