package grammar

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// frame is one server-sent event.
type frame struct {
	name  string
	named bool
	data  []byte
}

// frames cuts a stream into events and judges how they are written.
type frames struct {
	*verdict
	limit int
	each  func(frame)

	rest      []byte // a line that has not ended
	searched  int    // bytes of rest that hold no line's end
	now       frame
	dataLines int
	tooLarge  bool // the event is not kept
	count     int
}

func (s *frames) write(p []byte) {
	s.rest = append(s.rest, p...)
	for {
		at := bytes.IndexAny(s.rest[s.searched:], "\r\n")
		if at < 0 {
			s.searched = len(s.rest)
			break
		}
		at += s.searched
		next := at + 1
		if s.rest[at] == '\r' {
			if next == len(s.rest) { // a line feed may follow
				s.searched = at
				return
			}
			if s.rest[next] == '\n' {
				next++
			}
		}
		s.limitTo(at)
		s.line(s.rest[:at])
		s.rest, s.searched = s.rest[next:], 0
	}
	if s.limitTo(len(s.rest)); s.tooLarge && len(s.rest) > 0 {
		s.rest, s.searched = s.rest[:1:1], 1 // enough to know that the line is not empty
	}
}

// limitTo judges the size of an event with a line of so many bytes.
func (s *frames) limitTo(line int) {
	if s.tooLarge || line+len(s.now.data) <= s.limit {
		return
	}
	s.at, s.tooLarge = s.count+1, true
	s.report(FrameSize, fmt.Sprintf("over %d bytes", s.limit), "a smaller event")
}

// close tells whether the stream has ended between two events.
func (s *frames) close() (whole bool) {
	if line, ended := bytes.CutSuffix(s.rest, []byte("\r")); ended {
		s.rest, s.searched = nil, 0
		s.line(line)
	}
	return len(s.rest) == 0 && !s.now.named && s.dataLines == 0
}

func (s *frames) line(line []byte) {
	s.at = s.count + 1
	if !utf8.Valid(line) {
		s.report(UTF8, brief(line), "UTF-8")
	}
	if len(line) == 0 {
		s.end()
		return
	}
	if s.tooLarge {
		return
	}
	field, text, _ := strings.Cut(string(line), ":")
	text = strings.TrimPrefix(text, " ")
	switch field {
	case "": // a comment
	case "event":
		if s.now.named {
			s.report(Line, "a second name, "+brief([]byte(text)), "one name an event")
		}
		s.now.name, s.now.named = text, true
	case "data":
		if s.dataLines > 0 {
			s.now.data = append(s.now.data, '\n')
		}
		s.dataLines++
		s.now.data = append(s.now.data, text...)
	default:
		s.report(Line, brief(line), "event:, data: or a comment")
	}
}

// end ends an event, at an empty line.
func (s *frames) end() {
	ended, lines, tooLarge := s.now, s.dataLines, s.tooLarge
	s.now, s.dataLines, s.tooLarge = frame{}, 0, false
	if tooLarge {
		s.count++
		return
	}
	if lines == 0 && !ended.named {
		s.report(BlankLine, "an empty line that ends no event", "none")
		return
	}
	s.count++
	if lines != 1 {
		s.report(OneDataLine, fmt.Sprintf("%d data lines", lines), "one")
	}
	if lines > 0 {
		s.each(ended)
	}
}
