package codex

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxFrame bounds the data of a frame, in bytes.
const maxFrame = 64 << 20

var errLongFrame = errors.New("a frame is longer than 64 MiB")

// frames reads the data of server-sent events. Comments, names and ids are nothing to it.
type frames struct{ lines *bufio.Reader }

// next returns the data of the next frame that has any; io.EOF at the end, also where that cuts a
// frame.
func (f frames) next() (string, error) {
	var data strings.Builder
	some := false
	for {
		line, err := f.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" && some {
			return data.String(), nil
		}
		field, value, _ := strings.Cut(line, ":")
		if field != "data" {
			continue
		}
		if data.Len()+len(value) > maxFrame {
			return "", errLongFrame
		}
		if some {
			data.WriteByte('\n')
		}
		some = true
		data.WriteString(strings.TrimPrefix(value, " "))
	}
}

// frame is the data of one event, or why there are no more.
type frame struct {
	data string
	err  error
}

// each sends every frame to a channel until the source ends or stop is closed. It closes the
// channel.
func (f frames) each(to chan<- frame, stop <-chan struct{}) {
	defer close(to)
	for {
		data, err := f.next()
		select {
		case to <- frame{data, err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

func readFrames(source io.Reader) frames { return frames{bufio.NewReaderSize(source, 64<<10)} }
