package tokencount

import "unicode/utf8"

// Head answers the beginning of a text that has at most n tokens, whole characters
// only. It is for short texts: the work grows with the text.
func Head(text string, n int) string {
	end := 0
	for end < len(text) && n > 0 {
		piece := text[end : end+boundary(text[end:], pieceBytes)]
		tokens := split(piece)
		for _, token := range tokens[:min(n, len(tokens))] {
			end += len(token)
		}
		n -= len(tokens)
	}
	for end < len(text) && !utf8.RuneStart(text[end]) { // a token can end inside a character
		end--
	}
	return text[:end]
}

// split cuts a piece into its tokens.
func split(piece string) []string {
	if _, tokens, err := vocabulary().Encode(piece); err == nil {
		return tokens
	}
	var tokens []string
	for rest := piece; rest != ""; { // as count estimates
		end := min(4, len(rest))
		tokens = append(tokens, rest[:end])
		rest = rest[end:]
	}
	return tokens
}
