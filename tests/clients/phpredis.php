<?php
// phpredis, the extension of PHP.
[$host, $port, $servers] = [$argv[1], (int) $argv[2], (int) $argv[3]];
ini_set('zend.assertions', 1);
ini_set('assert.exception', 1);

$client = new Redis();
$client->connect($host, $port);
assert($client->set('php:a', "\x00\xff") === true);
assert($client->get('php:a') === "\x00\xff");
assert($client->get('php:absent') === false);
$values = [];
for ($n = 0; $n < 50; $n++) $values["php:$n"] = "$n";
assert($client->mSet($values) === true);
assert($client->mGet(array_keys($values)) === array_values($values));
$client->hMSet('php:hash', ['a' => '1', 'b' => '2']);
assert($client->hGetAll('php:hash') === ['a' => '1', 'b' => '2']);
$pipe = $client->multi(Redis::PIPELINE);
for ($n = 0; $n < 100; $n++) $pipe->set("php:p$n", "$n")->get("php:p$n");
$replies = $pipe->exec();
for ($n = 0; $n < 100; $n++) assert($replies[2 * $n + 1] === "$n");
$client->del('php:list');
$client->rPush('php:list', 'x');
assert($client->incr('php:list') === false);
assert(str_starts_with($client->getLastError(), 'WRONGTYPE'));
$client->clearLastError();
assert($client->rawCommand('NONSENSE') === false);
assert(str_contains($client->getLastError(), 'unknown command'));
assert($client->lLen('php:list') === 1);
if ($servers === 1) {
    assert($client->multi()->set('php:a', '5')->incr('php:a')->exec() === [true, 6]);
    $client->rPush('php:queue', 'x');
    assert($client->blPop(['php:queue'], 1) === ['php:queue', 'x']);
    assert($client->select(3) === true);
    assert($client->get('php:a') === false);
    assert($client->select(0) === true);
}
echo "ready\n";
while (fgets(STDIN) !== false) {
    for ($attempt = 0; ; $attempt++) {
        assert($attempt < 2000);
        try {
            if ($client->set('php:back', 'x') === true) break;
        } catch (RedisException $error) {
            // It connects again by itself only while a command is written.
            try { $client->connect($host, $port); } catch (RedisException $error) {}
        }
        usleep(10000);
    }
    echo "back\n";
}
