# Fetches numbered pages and says which ones it has got. A request that fails is made again.
trap 'exit 0' TERM INT

run=$(date +%s)
number=0
while :; do
  number=$((number + 1))
  until curl -sf -m 5 -o /dev/null "http://nginx:8080/visit/$run/$number"; do
    sleep 0.2
  done
  echo "/visit/$run/$number"
  sleep 0.2
done
