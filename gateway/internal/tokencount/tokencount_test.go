package tokencount_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
)

func TestText(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want int
	}{
		{"", 0},
		{"Hello", 1},
		{"Hello, world!", 4},
	}
	for _, c := range cases {
		if got := tokencount.Text(c.text); got != c.want {
			t.Errorf("%q: %d, want %d", c.text, got, c.want)
		}
	}
}

func TestCuttingChangesLittle(t *testing.T) {
	t.Parallel()
	const sentence = "The quick brown fox jumps over the lazy dog. "
	one := tokencount.Text(sentence)
	for _, times := range []int{1, 100, 5000, 100_000} { // the last two are sampled
		got := tokencount.Text(strings.Repeat(sentence, times))
		if want := one * times; got < want*9/10 || got > want*11/10 {
			t.Errorf("%d times: %d, want about %d", times, got, want)
		}
	}
}

// The inputs that are worst for a byte-pair encoder: no word ends. Without a bound each would take
// hours.
func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, text := range map[string]string{
		"one letter": strings.Repeat("a", 4<<20),
		"spaces":     strings.Repeat(" ", 4<<20),
		"breaks":     strings.Repeat("\n", 4<<20),
		"CJK":        strings.Repeat("汉", 1<<20),
		"noise":      string(noise),
	} {
		start := time.Now()
		tokens := tokencount.Text(text)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %s for %d tokens", name, took, tokens)
		}
	}
}

func promptOf(messages []chat.Message) int {
	return tokencount.Prompt(&chat.Request{Messages: messages})
}

// Tools and the form of the answer are read by the model, too.
func TestToolsCount(t *testing.T) {
	t.Parallel()
	hello := []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "Hello"}}}}
	schema := []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)
	plain := promptOf(hello)
	tool := chat.ToolSpec{Kind: chat.Function, Name: "weather", Description: "Tells the weather of a city", Schema: schema}
	one := tokencount.Prompt(&chat.Request{Messages: hello, Tools: []chat.ToolSpec{tool}})
	two := tokencount.Prompt(&chat.Request{Messages: hello, Tools: []chat.ToolSpec{tool, tool}})
	form := tokencount.Prompt(&chat.Request{Messages: hello, Output: chat.Output{Form: chat.SchemaOutput, Schema: schema}})
	if one < plain+15 || two-one != one-plain || form < plain+8 {
		t.Errorf("%d, with a tool %d, with two %d, with a form %d", plain, one, two, form)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	text := func(s string) []chat.Part { return []chat.Part{{Text: s}} }
	hello := promptOf([]chat.Message{{Role: chat.User, Parts: text("Hello")}})
	if hello != 8 {
		t.Errorf("one message: %d", hello)
	}
	image := promptOf([]chat.Message{{Role: chat.User, Parts: []chat.Part{
		{Text: "Hello"}, {Image: &chat.Image{URL: "data:image/png;base64," + strings.Repeat("A", 1<<20)}},
	}}})
	if image < hello+100 || image > hello+2000 {
		t.Errorf("an image counts %d, by its size and not by its text", image-hello)
	}
	call := promptOf([]chat.Message{{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{Name: "weather", Arguments: `{"city":"Paris"}`}}}}})
	if call <= 7 {
		t.Errorf("a tool call counts nothing: %d", call)
	}
}

// A sample of many texts tells about as much as all of them.
func TestASampleOfManyTexts(t *testing.T) {
	t.Parallel()
	const sentence = "The quick brown fox jumps over the lazy dog. "
	one := tokencount.Text(sentence)
	for _, times := range []int{1, 100, 1000, 20_000} {
		messages := make([]chat.Message, times)
		for i := range messages {
			messages[i].Parts = []chat.Part{{Text: sentence}}
		}
		got := promptOf(messages) - 3 - 4*times
		if want := one * times; got < want*9/10 || got > want*11/10 {
			t.Errorf("%d times: %d, want about %d", times, got, want)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add("汉字", 3, uint8(200))
	f.Fuzz(func(t *testing.T, text string, at int, times uint8) {
		messages := make([]chat.Message, times)
		for i := range messages {
			messages[i].Parts = []chat.Part{{Text: text}, {Text: text[:max(min(at, len(text)), 0)]}}
		}
		bytes := int(times) * (len(text) + max(min(at, len(text)), 0))
		if got := promptOf(messages); got < 3 || got > 3+4*int(times)+2*bytes+32 {
			t.Errorf("%d tokens in %d bytes", got, bytes)
		}
	})
}

func BenchmarkText(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 200)
	tokencount.Text(text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		tokencount.Text(text)
	}
}
