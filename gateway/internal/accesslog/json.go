package accesslog

import (
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"carousel.internal/gateway/internal/rawjson"
)

// jsonLine is a line in JSON, as far as it has come. Its keys need no escapes.
type jsonLine []byte

// lines are used again. What is longer than longestKept, in bytes, is not kept.
var lines = sync.Pool{New: func() any { return new(jsonLine) }}

const longestKept = 8 << 10

func (l *Log) writeJSON(level slog.Level, line *Line) {
	j := lines.Get().(*jsonLine)
	j.begin(time.Now(), level)
	*j = append(*j, l.same...)
	line.tell(j)
	*j = append(*j, "}\n"...)
	_, _ = l.output.Write(*j)
	if cap(*j) <= longestKept {
		lines.Put(j)
	}
}

// begin makes a line of what slog puts first into each.
func (j *jsonLine) begin(now time.Time, level slog.Level) {
	*j = append((*j)[:0], `{"time":"`...)
	*j = now.AppendFormat(*j, time.RFC3339Nano)
	*j = append(*j, `","level":"`...)
	*j = append(*j, level.String()...)
	*j = append(*j, `","msg":"`+message+`"`...)
}

func (j *jsonLine) key(key string) {
	*j = append(*j, `,"`...)
	*j = append(*j, key...)
	*j = append(*j, `":`...)
}

func (j *jsonLine) text(key, value string) {
	j.key(key)
	*j = rawjson.AppendString(*j, value)
}

func (j *jsonLine) number(key string, value int64) {
	j.key(key)
	*j = strconv.AppendInt(*j, value, 10)
}

func (j *jsonLine) milliseconds(key string, d time.Duration) {
	j.key(key)
	*j = strconv.AppendFloat(*j, milliseconds(d), 'f', -1, 64)
}

func (j *jsonLine) truth(key string, value bool) {
	j.key(key)
	*j = strconv.AppendBool(*j, value)
}

func (j *jsonLine) address(key string, value netip.Addr) {
	j.key(key)
	*j = append(value.AppendTo(append(*j, '"')), '"')
}
