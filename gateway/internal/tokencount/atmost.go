package tokencount

import "carousel.internal/gateway/internal/chat"

// perLargeImage is what a large image costs, with the upstreams that count most for one.
const perLargeImage = 1600

// AtMost is Prompt at some hundredth of its work, and rather too much: some tenths more than what
// Prompt counts of words and of code, up to three times as much of rare scripts, and all images
// are large. It is for what is set aside before the upstream has counted.
func AtMost(request *chat.Request) int {
	hundredths := 0
	tokens := gather(request, perLargeImage, func(text string) { hundredths += weigh(text) })
	return tokens + hundredths/100
}

// class is a kind of bytes that tokens rarely mix.
type class uint8

const (
	lower class = iota
	upper
	digit
	blank
	mark
	other // a part of a character that is not ASCII
	kinds
)

// What bytes weigh is in hundredths of a token, made to fit what Prompt counts of several
// languages, programs, tables and of base64.
var (
	classes = classesOfBytes()
	weights = weightsOfBytes()
	turns   = weightsOfTurns()
)

func classesOfBytes() (classes [256]class) {
	for b := range classes {
		switch {
		case b >= 'a' && b <= 'z':
			classes[b] = lower
		case b >= 'A' && b <= 'Z':
			classes[b] = upper
		case b >= '0' && b <= '9':
			classes[b] = digit
		case b <= ' ':
			classes[b] = blank
		case b >= 0x80:
			classes[b] = other
		default:
			classes[b] = mark
		}
	}
	return classes
}

func weightsOfBytes() (weights [256]int) {
	ofClass := [kinds]int{lower: 15, upper: 32, digit: 46, blank: 6, mark: 50, other: 0}
	for b, class := range classesOfBytes() {
		weights[b] = ofClass[class]
		switch { // the first byte of a character tells how long it is
		case b >= 0xf0:
			weights[b] = 180
		case b >= 0xe0:
			weights[b] = 105
		case b >= 0xc0:
			weights[b] = 35
		}
	}
	return weights
}

// weightsOfTurns is what it weighs that a class follows another one. Where letters and digits take
// turns there are no words, and each token is short.
func weightsOfTurns() (turns [kinds][kinds]int) {
	isWord := func(c class) bool { return c == lower || c == upper || c == digit }
	for from := range kinds {
		for to := range kinds {
			switch {
			case from == to:
			case isWord(from) && isWord(to):
				turns[from][to] = 85
			default:
				turns[from][to] = 40
			}
		}
	}
	return turns
}

// weigh is how many hundredths of a token a text has.
func weigh(text string) int {
	sum, before := 100, blank
	for i := range len(text) {
		b := text[i]
		now := classes[b]
		sum += weights[b] + turns[before][now]
		before = now
	}
	return sum
}
