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

// usage is what is known at the end of a request; served tells whether the client has got
// anything, or left while the upstream was at work: then the upstream counts its prompt.
func (t *tally) usage(request *chat.Request, served bool) chat.Usage {
	switch {
	case t.reported != nil:
		return t.reported.Bounded()
	case !served:
		return chat.Usage{Source: chat.UsageUnknown}
	default:
		return *t.estimate(request, chat.UsagePartial)
	}
}

func (t *tally) estimate(request *chat.Request, source chat.UsageSource) *chat.Usage {
	completion := scaled(tokencount.Text(t.text.String()), t.text.Len(), t.length)
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

// scaled is how many tokens an answer has of which only the beginning was kept and counted; the
// lengths of both are in bytes.
func scaled(tokens, kept, length int) int {
	if kept > 0 && length > kept {
		return int(float64(tokens) * float64(length) / float64(kept))
	}
	return tokens
}
