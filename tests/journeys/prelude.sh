# Functions that journeys use. Sourced before each block.

# Starts a server on ./data (or the directory given), waits until it listens, and leaves its URL in $server.
start_server() {
    local directory=${1:-data} tag=${2:-} line
    mkfifo "server$tag.fifo"
    tarn up --data "$directory" --listen 127.0.0.1:0 --quiet >"server$tag.fifo" 2>"server$tag.log" &
    echo $! >"server$tag.pid"
    disown
    read -r line <"server$tag.fifo"
    rm "server$tag.fifo"
    if [ -z "$line" ]; then cat "server$tag.log"; return 1; fi
    echo "$line" | jq -r .listening >"server$tag.url"
}
server() { cat "server${1:-}.url"; }
stop_server() { # gently; waits for it
    local pid
    pid=$(cat "server${1:-}.pid")
    kill -TERM "$pid"
    tail --pid="$pid" -f /dev/null
    rm "server${1:-}.pid"
}
kill_server() { # at once
    local pid
    pid=$(cat "server${1:-}.pid")
    kill -KILL "$pid"
    tail --pid="$pid" -f /dev/null
    rm "server${1:-}.pid"
}
# Serves ./data until nothing is pending: functions have then seen everything.
deliver() { tarn up --listen 127.0.0.1:0 --until-idle --quiet >/dev/null; }
# Unpacks a data set's file to standard output: shared_data soccer-wyscout/euro-2016.events.ndjson.zst
shared_data() { zstd -dcq "$TARN_SHARED/data/$1"; }
