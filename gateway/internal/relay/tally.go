package relay

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
)

// maxCounted bounds the answer's text that is kept for counting; of a longer
// answer the beginning stands for the rest.
const maxCounted = 1 << 20

// firstRoom is what most answers fit in, in bytes.
const firstRoom = 2 << 10

// tally follows an answer to know its usage.
type tally struct {
	reported *chat.Usage
	// input are the counts of what went in, where the upstream has told them first.
	input  *chat.Usage
	text   strings.Builder
	length int
}

func (t *tally) add(event *chat.Event) {
	if event.Begin != nil && event.Begin.Input != nil {
		t.input = event.Begin.Input
	}
	if event.Usage != nil {
		t.reported = event.Usage
	}
	if t.reported == nil {
		if event.Open != nil {
			t.keep(event.Open.Name)
		}
		t.keep(event.Text)
	}
}

func (t *tally) keep(piece string) {
	if piece == "" {
		return
	}
	if t.length == 0 {
		t.text.Grow(firstRoom)
	}
	t.length += len(piece)
	if room := maxCounted - t.text.Len(); room > 0 {
		t.text.WriteString(piece[:chat.Boundary(piece, room)])
	}
}

// missing estimates the usage of a complete answer whose upstream told none.
func (t *tally) missing(request *chat.Request) *chat.Usage {
	if t.reported != nil {
		return nil
	}
	t.reported = t.estimate(request, chat.UsageEstimated)
	return t.reported
}

// usage is what is known at the end of a request; sent tells whether the client
// has got anything.
func (t *tally) usage(request *chat.Request, sent bool) chat.Usage {
	switch {
	case t.reported != nil:
		return t.reported.Bounded()
	case !sent:
		return chat.Usage{Source: chat.UsageUnknown}
	default:
		return *t.estimate(request, chat.UsagePartial)
	}
}

func (t *tally) estimate(request *chat.Request, source chat.UsageSource) *chat.Usage {
	completion := tokencount.Text(t.text.String())
	if kept := t.text.Len(); kept > 0 && t.length > kept {
		completion = int(float64(completion) * float64(t.length) / float64(kept))
	}
	if most := request.MaxTokens; most > 0 { // text that was cut here can be split otherwise when it is counted as one
		completion = min(completion, most)
	}
	usage := chat.Usage{Completion: completion, Source: source}
	if in := t.input; in != nil {
		usage.Prompt, usage.CacheRead, usage.CacheWrite, usage.CacheWriteHour = in.Prompt, in.CacheRead, in.CacheWrite, in.CacheWriteHour
		usage = usage.Bounded()
	} else {
		usage.Prompt = tokencount.Prompt(request)
	}
	return &usage
}
