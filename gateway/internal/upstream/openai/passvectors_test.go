package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

func packed(values ...float32) string {
	var data []byte
	for _, value := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(value))
	}
	return base64.StdEncoding.EncodeToString(data)
}

// Trap 73: vectors go on as they are; only where the upstream ignores the form that was
// asked for they get it, and no value changes.
func TestVectors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0.1,", 50000) + "0.1"
	for _, c := range []struct {
		name        string
		asked       upstream.VectorForm
		answer, got string
	}{
		{"numbers as asked", upstream.Floats, `{"data":[{"embedding":[0.10000000000001,1]}]}`, `{"data":[{"embedding":[0.10000000000001,1]}]}`},
		{"base64 as asked", upstream.Base64, `{"data":[{"embedding":"AAAAAA=="}]}`, `{"data":[{"embedding":"AAAAAA=="}]}`},
		{"nobody asked", "", `{"data":[{"embedding":"AAAAAA=="}]}`, `{"data":[{"embedding":"AAAAAA=="}]}`},
		{
			"numbers for base64", upstream.Base64, `{"x" : 1e400, "data":[{"index":0,"embedding" : [ 0.1, -2 , 3e-5 ] },{"embedding":[],"i":1}],"usage":{"total_tokens":3}}`,
			`{"x" : 1e400, "data":[{"index":0,"embedding" : "` + packed(0.1, -2, 3e-5) + `" },{"embedding":"","i":1}],"usage":{"total_tokens":3}}`,
		},
		{
			"base64 for numbers", upstream.Floats, `{"data":[{"embedding":"` + packed(0.1, -2, 3e-5, math.MaxFloat32, 0) + `"}]}`,
			`{"data":[{"embedding":[0.1,-2,3e-05,3.4028235e+38,0]}]}`,
		},
		{"many", upstream.Base64, `{"data":[{"embedding":[` + long + `]}]}`, `{"data":[{"embedding":"` + packed(repeat(0.1, 50001)...) + `"}]}`},
		{"a vector for each word", upstream.Base64, `{"data":[{"embedding":[[1],[2]]}]}`, `{"data":[{"embedding":[[1],[2]]}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			driver := upstreamOf(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, c.answer)
			})
			call := rawCall("embeddings", "{}")
			call.Vectors = c.asked
			answer, body, failure := passed(t, driver, call)
			if failure != nil {
				t.Fatal(failure)
			}
			if body != c.got {
				t.Errorf("%.300s", body)
			}
			if answer.Length >= 0 && answer.Length != int64(len(body)) {
				t.Errorf("%d bytes were announced of %d", answer.Length, len(body))
			}
		})
	}
}

func repeat(value float32, times int) []float32 {
	values := make([]float32, times)
	for i := range values {
		values[i] = value
	}
	return values
}

// What can't be converted is no answer.
func TestVectorsThatAreNone(t *testing.T) {
	t.Parallel()
	for form, answers := range map[upstream.VectorForm][]string{
		upstream.Base64: {`{"data":[{"embedding":[1,null]}]}`, `{"data":[{"embedding":[1e39]}]}`, `{"data":[{"embedding":[1]}`},
		upstream.Floats: {`{"data":[{"embedding":"AAA="}]}`, `{"data":[{"embedding":"?"}]}`, `{"data":[{"embedding":"` + packed(float32(math.NaN())) + `"}]}`},
	} {
		for _, answer := range answers {
			call := rawCall("embeddings", "{}")
			call.Vectors = form
			_, _, failure := passed(t, upstreamOf(t, nil, answerWith(200, "application/json", answer)), call)
			if failure == nil || failure.Class != upstream.Truncated {
				t.Errorf("%s: %v", answer, failure)
			}
		}
	}
}

// There and back again is where it began.
func FuzzVectors(f *testing.F) {
	f.Add([]byte("\x00\x00\x80\x3f\xcd\xcc\xcc\x3d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		asked := `{"data":[{"embedding":"` + base64.StdEncoding.EncodeToString(data) + `"}]}`
		numbers, ok := convert([]byte(asked), upstream.Floats)
		if !ok {
			return
		}
		if !json.Valid(numbers) {
			t.Fatalf("%s", numbers)
		}
		back, ok := convert(numbers, upstream.Base64)
		if !ok || string(back) != asked {
			t.Fatalf("%s became %s and %s", asked, numbers, back)
		}
	})
}

// However a stream is cut, the same is seen in it.
func FuzzFollow(f *testing.F) {
	f.Add([]byte("event: error\r\ndata: {\"usage\":{\"prompt_tokens\":1},\r\ndata:\"type\":\"x.done\"}\r\n\r\ndata: [DONE]\n\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var whole, cut streamFollower
		var object, cutObject objectFollower
		whole.see(data)
		object.see(data)
		for rest := data; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			cut.see(rest[:n])
			cutObject.see(rest[:n])
			rest = rest[n:]
		}
		a, b := whole.complete(), cut.complete()
		if a != b || string(whole.said) != string(cut.said) || whole.events != cut.events {
			t.Fatalf("%t, %q, %d in pieces, %t, %q, %d at once", b, cut.said, cut.events, a, whole.said, whole.events)
		}
		if one, other := object.usage(), cutObject.usage(); (one == nil) != (other == nil) || one != nil && *one != *other {
			t.Fatalf("%v in pieces, %v at once", other, one)
		}
		if value := object.members.value("usage"); value != nil && isObject(data) && json.Valid(data) && !json.Valid(value) {
			t.Fatalf("%q of %q", value, data)
		}
	})
}
