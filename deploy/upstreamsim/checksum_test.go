package upstreamsim

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

const (
	device1 = "03204de92e11fc8c528139be419065920eb83dbff1a4663bbea455aa6e9702bd"
	mac1    = "1f0efc62c80760e53a5f7cd9a1c7aff105f84b2bf414a102d177ee7b776f0dc8"
)

// stampOf writes a stamp as the real client does.
func stampOf(now time.Time) string {
	ts := now.UnixMilli() / 1_000_000
	plain := []byte{byte(ts >> 8), byte(ts), byte(ts >> 24), byte(ts >> 16), byte(ts >> 8), byte(ts)}
	previous := byte(165)
	for i := range plain {
		plain[i] = (plain[i] ^ previous) + byte(i)
		previous = plain[i]
	}
	return base64.RawURLEncoding.EncodeToString(plain)
}

func TestParseStamp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		millis   int64
		standard string
		urlSafe  string
		ts       int64
	}{
		{1735689600000, "2dHTzLTC", "2dHTzLTC", 1735689},
		{1736899200123, "Jefp9nq+", "Jefp9nq-", 1736899},
		{1769525432000, "pZGTi4+/", "pZGTi4-_", 1769525},
		{1790000000000, "9cbI1oq/", "9cbI1oq_", 1790000},
	} {
		if got := stampOf(time.UnixMilli(test.millis)); got != test.urlSafe {
			t.Errorf("the stamp of %d is %s instead of %s", test.millis, got, test.urlSafe)
		}
		for _, text := range []string{test.standard, test.urlSafe} {
			if got, err := parseStamp(text); got != test.ts || err != nil {
				t.Errorf("%s: got %d, %v; want %d", text, got, err, test.ts)
			}
		}
	}
	for _, bad := range []string{"paaotc3J", "paaotTn/", "paaotTn_", "paaotrqU", "2dHTzLTD", "!dHTzLTC", ""} {
		if _, err := parseStamp(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseChecksum(t *testing.T) {
	t.Parallel()
	const stamp = "2dHTzLTC"
	slash := "9cbI1oq/" // of the standard alphabet
	for _, test := range []struct {
		name, header string
		ts           int64
		problem      string
	}{
		{"with mac", stamp + device1 + "/" + mac1, 1735689, ""},
		{"without mac", stamp + device1, 1735689, ""},
		{"slash in the stamp", slash + device1 + "/" + mac1, 1790000, ""},
		{"48-bit", "paaotc3J" + device1 + "/" + mac1, 0, "48-bit"},
		{"short", stamp + device1[1:], 0, "71 long"},
		{"empty", "", 0, "0 long"},
		{"upper case", stamp + strings.ToUpper(device1), 0, "hex"},
		{"no slash", stamp + device1 + "f" + mac1, 0, "slash"},
		{"bad mac", stamp + device1 + "/" + mac1[1:] + "g", 0, "hex"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sum, err := parseChecksum(test.header)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Fatalf("got %v, want %q", err, test.problem)
				}
				return
			}
			if err != nil || sum.stamp != test.ts || sum.device != device1 {
				t.Fatalf("got %+v, %v", sum, err)
			}
		})
	}
}

func TestChecksumFreshness(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1735689600000)
	for units, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		sum := checksum{stamp: 1735689 + units}
		if sum.fresh(now) != want {
			t.Errorf("%d units away: fresh is %t", units, !want)
		}
	}
}
