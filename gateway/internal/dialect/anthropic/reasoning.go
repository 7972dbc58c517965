package anthropic

import "carousel.internal/gateway/internal/chat"

// seal tells who has made what the model thought, by its signature: the vendor, or another
// upstream, whose reasoning was given to the client under a seal that says so.
func seal(thought *chat.Reasoning, signature string) {
	maker, data, foreign := chat.OfForeignSeal(signature)
	switch {
	case foreign:
		thought.Maker, thought.Seal = maker, data
		thought.Redacted = thought.Text == "" && data != ""
	case signature != "":
		thought.Maker, thought.Seal = Dialect, signature
	}
}

// signature is the reverse: what a client is shown.
func signature(seal *chat.Seal) string {
	switch {
	case seal == nil:
		return chat.ForeignSeal("", "")
	case seal.Maker == Dialect:
		return seal.Data
	}
	return chat.ForeignSeal(seal.Maker, seal.Data)
}
