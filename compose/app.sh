# Sets numbered keys through the ambassador and reads each again. A key that does not come back as
# it was set is a line with WRONG; a request that fails is made again.
trap 'exit 0' TERM INT

ask() { redis-cli -h redis-ambassador -p 6380 "$@"; }

number=0
while :; do
  number=$((number + 1))
  until [ "$(ask set "app:$number" "value-$number" 2>&1)" = OK ]; do sleep 0.2; done
  until value=$(ask get "app:$number" 2>/dev/null); do sleep 0.2; done
  if [ "$value" = "value-$number" ]; then
    echo "app:$number is $value"
  else
    echo "WRONG app:$number is $value"
  fi
  sleep 0.2
done
