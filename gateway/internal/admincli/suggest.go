package admincli

import (
	"fmt"
	"strings"
)

// didYouMean ends a sentence about a word that nobody knows with the one that may be meant; it is
// empty where none is near.
func didYouMean(word string, known []string) string { return didYouMeanWith("", word, known) }

// didYouMeanWith is didYouMean for words that are written with a prefix.
func didYouMeanWith(prefix, word string, known []string) string {
	nearest := nearestTo(strings.ToLower(word), known)
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", prefix+nearest)
}

// nearestTo is the known word that another one is a slip, or the beginning, of.
func nearestTo(word string, known []string) string {
	letters := len([]rune(word))
	nearest, least := "", 1+max(1, min(letters/2, 2+letters/9)) // what is as far is another word
	for _, each := range known {
		away := distance(word, each)
		if word != "" && away > 0 && strings.HasPrefix(each, word) {
			away = 1
		}
		if away < least {
			nearest, least = each, away
		}
	}
	return nearest
}

// distance is how many letters must be put in, taken out or changed to make one word of another.
func distance(from, to string) int {
	a, b := []rune(from), []rune(to)
	row := make([]int, len(b)+1) // of the letters of a so far, the distance to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
