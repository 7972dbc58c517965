package upstreamtest

import (
	"fmt"

	"carousel.internal/gateway/internal/chat"
)

// BlockOrder checks that the events of an answer come in blocks as chat.Event promises.
// Its zero value is ready for an answer.
type BlockOrder struct {
	opened int
	open   bool
	kind   chat.BlockKind
	ended  bool
}

// Check takes the next event.
func (o *BlockOrder) Check(event *chat.Event) error {
	about := event.Open != nil || event.Text != "" || event.Close || event.Seal != nil
	switch {
	case about && o.ended:
		return fmt.Errorf("block %d goes on after the answer's end", event.Block)
	case event.Open != nil && o.open:
		return fmt.Errorf("block %d begins while block %d is open", event.Block, o.opened-1)
	case event.Open != nil && event.Block != o.opened:
		return fmt.Errorf("block %d begins where %d was to", event.Block, o.opened)
	case event.Open != nil:
		o.opened, o.open, o.kind = o.opened+1, true, event.Kind
	case about && !o.open:
		return fmt.Errorf("an event is about block %d, and none is open", event.Block)
	}
	if about && (event.Block != o.opened-1 || event.Kind != o.kind) {
		return fmt.Errorf("an event is about block %d of kind %d, and block %d of kind %d is open", event.Block, event.Kind, o.opened-1, o.kind)
	}
	if event.Close {
		o.open = false
	}
	if event.Finish != chat.Unfinished {
		o.ended = true
		if o.open {
			return fmt.Errorf("the answer ends while block %d is open", o.opened-1)
		}
	}
	return nil
}
