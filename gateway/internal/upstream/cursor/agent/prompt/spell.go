package prompt

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
)

// spelled has calls and results in words: the assistant says what it has called, the user what
// came of it.
func spelled(entries []entry) []entry {
	var plain []entry
	for _, each := range entries {
		if len(each.calls()) == 0 {
			plain = append(plain, each)
			continue
		}
		told, results := entry{role: each.role}, entry{role: chat.User}
		for _, p := range each.pieces {
			if p.call == nil {
				told.pieces = append(told.pieces, p)
				continue
			}
			told.pieces = append(told.pieces, piece{text: callInWords(p.call)})
			results.pieces = append(results.pieces, piece{text: resultInWords(p.call)})
		}
		plain = append(plain, told, results)
	}
	return plain
}

func callInWords(c *call) string {
	return "Called the tool " + strconv.Quote(c.sent) + " (" + strconv.Quote(c.id) + ") with " + string(c.arguments.json)
}

func resultInWords(c *call) string {
	outcome := "returned"
	if c.failed {
		outcome = "failed"
	}
	return "The tool " + strconv.Quote(c.sent) + " (" + strconv.Quote(c.id) + ") " + outcome + ":\n" + c.result
}
