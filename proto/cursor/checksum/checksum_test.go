package checksum

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	device = "03204de92e11fc8c528139be419065920eb83dbff1a4663bbea455aa6e9702bd"
	mac    = "1f0efc62c80760e53a5f7cd9a1c7aff105f84b2bf414a102d177ee7b776f0dc8"
)

var material = Material{DeviceID: device, MACHash: mac}

func TestPrefix(t *testing.T) {
	t.Parallel()
	for milli, want := range map[int64]string{
		1735689600000: "2dHTzLTC",
		1736899200123: "Jefp9nq-",
		1769525432000: "pZGTi4-_",
		1790000000000: "9cbI1oq_",
	} {
		if got := Prefix(time.UnixMilli(milli)); got != want {
			t.Errorf("Prefix(%d) = %q, want %q", milli, got, want)
		}
	}
}

func TestPrefixUnit(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1790000000000)
	for prefix, want := range map[string]int64{
		"2dHTzLTC": 1735689, "paaotc3J": 1735689,
		"Jefp9nq+": 1736899, "Jefp9nq-": 1736899, "paaotTn/": 1736899, "paaotTn_": 1736899,
		"pZGTi4+/": 1769525, "pZGTi4-_": 1769525, "paaotrqU": 1769525,
		"9cbI1oq/": 1790000, "9cbI1oq_": 1790000,
	} {
		got, err := prefixUnit(prefix, now)
		if err != nil || got != want {
			t.Errorf("prefixUnit(%q) = %d, %v, want %d", prefix, got, err, want)
		}
	}
	if _, err := prefixUnit("9cbI1oq_", now.Add(-unit)); !errors.Is(err, ErrFuture) {
		t.Errorf("a future prefix: %v", err)
	}
	if _, err := prefixUnit("AAAAAAAA", now); !errors.Is(err, ErrNotATime) {
		t.Errorf("a prefix that is no time: %v", err)
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1735689600000)
	if got, want := material.At(at), "2dHTzLTC"+device+"/"+mac; got != want {
		t.Errorf("with mac: %q", got)
	}
	if got, want := (Material{DeviceID: device}).At(at), "2dHTzLTC"+device; got != want {
		t.Errorf("without mac: %q", got)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	a, b := New(), New()
	for _, hash := range []string{a.DeviceID, a.MACHash, b.DeviceID, b.MACHash} {
		if !isHash(hash) || strings.ToLower(hash) != hash {
			t.Errorf("not a hash: %q", hash)
		}
	}
	if a == b || a.DeviceID == a.MACHash {
		t.Error("two hashes are equal")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2dHTzLTC" + device + "/" + mac,
		"paaotc3J" + device + "/" + mac,
		"pZGTi4+/" + device + "/" + mac, // a slash before the separator
		"pZGTi4-_" + device + "/" + mac,
		"paa/tc3J" + device + "/" + mac,
		device + "/" + mac,
		" 2dHTzLTC" + device + "/" + mac + "\r\n",
	} {
		if got, err := Parse(text); err != nil || got != material {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"2dHTzLTC" + device, "pZGTi4+/" + device} {
		if got, err := Parse(text); err != nil || got != (Material{DeviceID: device}) {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	bad := "x" + device[1:]
	for text, want := range map[string]error{
		"":                                    ErrLength,
		"2dHTzLTC":                            ErrLength,
		device:                                ErrLength,
		"2dHTzLTC" + device + mac:             ErrLength,
		"2dHTzLTC" + device + "/" + mac + "0": ErrLength,
		"2dHTzLT=" + device:                   ErrPrefix,
		"2dHT zLT" + device + "/" + mac:       ErrPrefix,
		"2dHTzLTC" + bad:                      ErrDevice,
		"2dHTzLTC" + bad + "/" + mac:          ErrDevice,
		bad + "/" + mac:                       ErrDevice,
		"2dHTzLTC" + device + "," + mac:       ErrSeparator,
		device + "0" + mac:                    ErrSeparator,
		"2dHTzLTC" + device + "/" + bad:       ErrMAC,
		device + "/" + bad:                    ErrMAC,
	} {
		_, err := Parse(text)
		if !errors.Is(err, want) {
			t.Errorf("Parse(%q): %v, want %v", text, err, want)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1769525432000)
	tail := device + "/" + mac
	for text, want := range map[string]error{
		"pZGTi4-_" + tail:   nil,
		"pZGTi4+/" + tail:   nil,
		"paaotrqU" + tail:   nil,
		"pZGTi4+/" + device: nil,
		"9cbI1oq/" + tail:   ErrFuture,
		"AAAAAAAA" + tail:   ErrNotATime,
		tail:                ErrNotATime,
		"pZGTi4=/" + tail:   ErrPrefix,
		"short":             ErrLength,
	} {
		if err := Validate(text, now); !errors.Is(err, want) {
			t.Errorf("Validate(%q): %v, want %v", text, err, want)
		}
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1790000000000)
	bad := strings.Repeat("x", hashLen)
	for _, test := range []struct {
		name, text, prefix, device, mac string
	}{
		{"both hashes", "2dHTzLTC" + device + "/" + mac, "9cbI1oq_", device, mac},
		{"rc.2 style", "paaotc3J" + device + "/" + mac, "9cbI1oq_", device, mac},
		{"broken prefix", "????????" + device + "/" + mac, "9cbI1oq_", device, mac},
		{"no timestamp", device + "/" + mac, "9cbI1oq_", device, mac},
		{"one hash", "2dHTzLTC" + device, "9cbI1oq_", device, ""},
		{"unreadable mac", "2dHTzLTC" + device + "/" + bad, "9cbI1oq_", device, ""},
		{"unreadable device", "2dHTzLTC" + bad + "/" + mac, "9cbI1oq_", "", mac},
		{"bare timestamp", "2dHTzLTC", "2dHTzLTC", "", ""},
		{"bare 48-bit timestamp", "paaotTn/", "Jefp9nq-", "", ""},
		{"bare nonsense", "AAAAAAAA", "9cbI1oq_", "", ""},
		{"nothing", "", "9cbI1oq_", "", ""},
		{"rubbish", "not a checksum", "9cbI1oq_", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := Repair(test.text, now)
			if err := Validate(got, now); err != nil || len(got) != fullLen {
				t.Fatalf("Repair(%q) = %q: %v", test.text, got, err)
			}
			repaired, err := Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			if got[:prefixLen] != test.prefix {
				t.Errorf("prefix %q, want %q", got[:prefixLen], test.prefix)
			}
			if test.device != "" && repaired.DeviceID != test.device {
				t.Errorf("device %q", repaired.DeviceID)
			}
			if test.mac != "" && repaired.MACHash != test.mac {
				t.Errorf("mac %q", repaired.MACHash)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	addSeeds(f)
	at := time.UnixMilli(1790000000000)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			if got != (Material{}) {
				t.Fatal("an error with material")
			}
			return
		}
		if !isHash(got.DeviceID) || got.MACHash != "" && !isHash(got.MACHash) {
			t.Fatalf("not hashes: %v", got)
		}
		again, err := Parse(got.At(at))
		if err != nil || again != got {
			t.Fatalf("At does not parse back: %v, %v", again, err)
		}
	})
}

func FuzzRepair(f *testing.F) {
	addSeeds(f)
	now := time.UnixMilli(1790000000000)
	f.Fuzz(func(t *testing.T, text string) {
		got := Repair(text, now)
		if err := Validate(got, now); err != nil || len(got) != fullLen {
			t.Fatalf("Repair(%q) = %q: %v", text, got, err)
		}
		if old, err := Parse(text); err == nil {
			kept, err := Parse(got)
			if err != nil || kept.DeviceID != old.DeviceID || old.MACHash != "" && kept.MACHash != old.MACHash {
				t.Fatalf("Repair(%q) = %q lost a hash", text, got)
			}
		}
	})
}

func addSeeds(f *testing.F) {
	for _, text := range []string{
		"", "2dHTzLTC", "paaotTn/", "2dHTzLTC" + device, "pZGTi4+/" + device + "/" + mac,
		device + "/" + mac, "2dHTzLTC" + device + "," + mac, "é" + device,
	} {
		f.Add(text)
	}
}
