package tokenfile

import (
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/redisstore"
)

// revision changes with the token file and with all that the list shows but the
// time.
func (f *Files) revision(now *state, list string) string {
	return f.store.Fingerprint(now.disk[tokenFile].text + "\x00" + timeless(list))
}

// render answers the list and the ids of the tokens in it.
func render(pool []redisstore.Exported) (string, []string) {
	var entries []files.Entry
	var ids []string
	for _, each := range pool {
		entries = append(entries, files.Entry{Draft: each.Draft})
		if each.Checksum.DeviceID != "" { // else it is in the list as a comment
			ids = append(ids, each.ID)
		}
	}
	// It knows the format.
	text, _ := files.Render(tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST, entries, time.Now())
	return text, ids
}

// timeless is a list without the timestamps of its checksums, which are always
// those of its rendering.
func timeless(list string) string {
	const stamp, shortest = 8, 72 // characters of a timestamp, and of a checksum
	var text strings.Builder
	for line := range strings.Lines(list) {
		at := strings.LastIndexByte(line, ',') + 1
		if at > 0 && len(line)-at >= shortest {
			line = line[:at] + line[at+stamp:]
		}
		text.WriteString(line)
	}
	return text.String()
}
