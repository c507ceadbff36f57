# redis-rb, which speaks RESP2 and says nothing before the first command.
require 'redis'

HOST, PORT, SERVERS = ARGV[0], ARGV[1].to_i, ARGV[2].to_i
$stdout.sync = true

def expect(good)
  raise "not as expected at #{caller_locations(1, 1).first}" unless good
end

client = Redis.new(host: HOST, port: PORT)
expect client.set('rb:a', "\x00\xff".b) == 'OK'
expect client.get('rb:a').b == "\x00\xff".b
expect client.get('rb:absent').nil?
numbers = (0...50).map(&:to_s)
client.mset(*numbers.flat_map { |n| ["rb:#{n}", n] })
expect client.mget(numbers.map { |n| "rb:#{n}" }) == numbers
client.hset('rb:hash', 'a', '1')
expect client.hgetall('rb:hash') == { 'a' => '1' }
replies = client.pipelined do |pipe|
  numbers.each { |n| pipe.set("rb:p#{n}", n); pipe.get("rb:p#{n}") }
end
expect replies == numbers.flat_map { |n| ['OK', n] }
client.del('rb:list')
client.rpush('rb:list', 'x')
[[%w[incr rb:list], 'WRONGTYPE'], [%w[nonsense], 'unknown command']].each do |command, part|
  begin
    client.call(command)
    raise part
  rescue Redis::CommandError => error
    expect error.message.include?(part)
  end
  expect client.llen('rb:list') == 1
end
if SERVERS == 1
  expect client.multi { |it| it.set('rb:a', '5'); it.incr('rb:a') } == ['OK', 6]
  client.rpush('rb:queue', 'x')
  expect client.blpop('rb:queue', timeout: 1) == %w[rb:queue x]
end
puts 'ready'
while $stdin.gets
  attempts = 0
  begin
    client.set('rb:back', 'x')
  rescue Redis::BaseError
    attempts += 1
    raise if attempts > 2000
    sleep 0.01
    retry
  end
  puts 'back'
end
