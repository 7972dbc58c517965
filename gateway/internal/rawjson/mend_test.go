package rawjson

import (
	"encoding/json"
	"testing"
)

func TestMended(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                `{}`,
		`"plain \n \\ \u00e9"`:              `"plain \n \\ \u00e9"`,
		`"\ud83d\ude00"`:                    `"\ud83d\ude00"`,
		`"\uD83D\uDE00"`:                    `"\uD83D\uDE00"`,
		`"a\ud83d"`:                         `"a\ufffd"`,
		`"\ud83d\ud83d\ude00"`:              `"\ufffd\ud83d\ude00"`,
		`"\ude00\ud83d"`:                    `"\ufffd\ufffd"`,
		`{"k\udc00":["\ud83dx","\\ud83d"]}`: `{"k\ufffd":["\ufffdx","\\ud83d"]}`,
		`"\ud83d\n"`:                        `"\ufffd\n"`,
		`"\ud83d\u0041"`:                    `"\ufffd\u0041"`,
		`"\\\ud83d"`:                        `"\\\ufffd"`,
	} {
		if got := string(Mended([]byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// What it makes says the same to encoding/json, which reads halves as U+FFFD.
func FuzzMended(f *testing.F) {
	f.Add([]byte(`{"a":"\ud83d\ude00\ud83d"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var before, after any
		_ = json.Unmarshal(text, &before)
		if err := json.Unmarshal(Mended(text), &after); err != nil {
			t.Fatal(err)
		}
		old, _ := json.Marshal(before)
		mended, _ := json.Marshal(after)
		if string(old) != string(mended) {
			t.Fatalf("%s became %s", old, mended)
		}
	})
}
