package checksum

import (
	"strings"
	"time"
)

// Repair makes a full checksum of 137 characters out of a damaged or outdated
// one. Hashes that are readable stay, others are new, and the timestamp is now.
// A bare timestamp of 8 characters keeps its time, in the client's style.
func Repair(text string, now time.Time) string {
	text = strings.TrimSpace(text)
	if len(text) == prefixLen {
		return repairPrefix(text, now)
	}
	// A text of another shape leaves both hashes empty: both are new.
	p, _ := split(text)
	material := New()
	if isHash(p.device) {
		material.DeviceID = p.device
	}
	if isHash(p.mac) {
		material.MACHash = p.mac
	}
	return material.At(now)
}

func repairPrefix(prefix string, now time.Time) string {
	material := New()
	ts, err := prefixUnit(prefix, now)
	if err != nil {
		return material.At(now)
	}
	return material.At(time.UnixMilli(ts * unit.Milliseconds()))
}
