package relay

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// wordsOnly is a driver whose upstream can be asked for nothing but words.
type wordsOnly struct{ upstream.Driver }

func (wordsOnly) Carries(chat.Need) bool { return false }

// warm can be told of the temperature.
type warm struct{ wordsOnly }

func (warm) Tunes(field string) bool { return field == "temperature" }

// answersWordsOnly makes the rig's upstream one that can be asked for words only.
func (r *rig) answersWordsOnly() {
	resolve := r.relay.Catalog
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		plan, err := resolve.Resolve(wish)
		target := plan.First
		target.Driver = wordsOnly{target.Driver}
		return target, err
	})
}

// endsAs checks how an answer ends, and that its end is followed by nothing but counts.
func (a answer) endsAs(t *testing.T, want chat.FinishReason) {
	t.Helper()
	var finishes []chat.FinishReason
	for i, event := range a.events {
		if event.Finish != chat.Unfinished {
			finishes = append(finishes, event.Finish)
			for _, later := range a.events[i+1:] {
				if later.Text != "" || later.Usage == nil {
					t.Errorf("after the end: %+v", later)
				}
			}
		}
	}
	if a.err != nil || !slices.Equal(finishes, []chat.FinishReason{want}) {
		t.Errorf("ended as %q, %v; want %q", finishes, a.err, want)
	}
}

func TestStopTextsAreKeptHere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stop   []string
		pieces []string
		want   string
	}{
		"in one event":             {[]string{"END"}, []string{"one END two"}, "one "},
		"cut over events":          {[]string{"END"}, []string{"one E", "N", "D two"}, "one "},
		"a beginning that is none": {[]string{"END"}, []string{"one E", "N", "o END"}, "one ENo "},
		"a beginning at the end":   {[]string{"END"}, []string{"one EN"}, "one EN"},
		"of two the first":         {[]string{"two", "one"}, []string{"zero on", "e two"}, "zero "},
		"one in the other":         {[]string{"abc", "b"}, []string{"a", "b", "c"}, "a"},
		"again and again":          {[]string{"aab"}, []string{"a", "a", "a", "b"}, "a"},
		"in many bytes":            {[]string{"終わり。"}, []string{"始まり、終", "わ", "り。続き"}, "始まり、"},
		"a part of one character":  {[]string{"é"}, []string{"è é"}, "è "},
		"at once":                  {[]string{"x"}, []string{"x"}, ""},
		"not there":                {[]string{"x"}, []string{"a", "b"}, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := []chat.Event{begin}
			for i, piece := range test.pieces {
				events = append(events, chat.Event{Text: piece, More: i < len(test.pieces)-1})
			}
			r := newRig(play(script{events: append(events, stop)}))
			r.answersWordsOnly()
			request := newRequest()
			request.Stop = test.stop
			got := r.chatWith(t.Context(), t, request, whole)
			finish := chat.StoppedAt
			if strings.Join(test.pieces, "") == test.want {
				finish = chat.Stop
			}
			if got.endsAs(t, finish); got.text() != test.want {
				t.Errorf("got %q, want %q", got.text(), test.want)
			}
			for _, event := range got.events { // of what goes on nothing may be held back by the sink
				if event.More && event.Text != "" && !strings.HasSuffix(test.want, event.Text) {
					t.Errorf("%+v waits for more", event)
				}
			}
			if e := r.ended(t, ""); e.Usage.Completion != tokencount.Text(test.want) || e.Usage.Source != chat.UsageEstimated {
				t.Errorf("usage %+v", e.Usage)
			}
		})
	}
}

func TestOutputLimitIsKeptHere(t *testing.T) {
	t.Parallel()
	const text = "The quick brown fox jumps over the lazy dog."
	tokens := tokencount.Text(text)
	for _, test := range []struct {
		limit  int
		want   string
		finish chat.FinishReason
	}{
		{1, "The", chat.Length},
		{4, "The quick brown fox", chat.Length},
		{tokens - 1, strings.TrimSuffix(text, "."), chat.Length},
		{tokens, text, chat.Stop},
		{1000, text, chat.Stop},
	} {
		for size := range 12 {
			var events []chat.Event
			for piece := range slices.Chunk([]rune(text), size+1) {
				events = append(events, say(string(piece)))
			}
			r := newRig(play(script{events: append(events, stop)}))
			r.answersWordsOnly()
			request := newRequest()
			request.MaxTokens = test.limit
			got := r.chatWith(t.Context(), t, request, whole)
			if got.endsAs(t, test.finish); got.text() != test.want {
				t.Errorf("%d tokens in pieces of %d: %q", test.limit, size+1, got.text())
			}
			if e := r.ended(t, ""); e.Usage.Completion != min(test.limit, tokens) {
				t.Errorf("%d tokens: usage %+v", test.limit, e.Usage)
			}
		}
	}
}

// The upstream is not asked for more than what is sent, and its token did well.
func TestTheUpstreamIsCancelledAtTheBrake(t *testing.T) {
	t.Parallel()
	yielded, left := 0, false
	r := newRig(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for range 1000 {
				if yielded++; !yield(say("word "), nil) {
					left = true
					return
				}
			}
			yield(stop, nil)
		}
	})
	r.answersWordsOnly()
	request := newRequest()
	request.MaxTokens = 10
	got := r.chatWith(t.Context(), t, request, whole)
	if got.endsAs(t, chat.Length); !left || yielded > 12 {
		t.Errorf("%d events were taken", yielded)
	}
	if e := r.ended(t, ""); e.End != "done" || e.HTTPStatus != 200 {
		t.Errorf("entry %+v", e)
	}
}

// An upstream that can be told of both keeps them itself.
func TestWhatTheUpstreamCarriesIsNotKeptHere(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(say("one END two"))))
	request := newRequest()
	request.Stop, request.MaxTokens = []string{"END"}, 1
	if got := r.chatWith(t.Context(), t, request, whole); got.text() != "one END two" {
		t.Errorf("got %+v", got)
	}
}

// However a text is cut into events: what is sent is the text up to the first stop
// text, of no more tokens than the limit, and of whole characters.
func TestBrakeIsTheSameHoweverTheTextIsCut(t *testing.T) {
	t.Parallel()
	letters := rapid.RuneFrom([]rune("ab é漢 😀"))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(letters, 0, 40, -1).Draw(t, "text")
		request := &chat.Request{
			Stop:      rapid.SliceOfN(rapid.StringOfN(letters, 1, 4, -1), 0, 3).Draw(t, "stop"),
			MaxTokens: rapid.IntRange(0, 30).Draw(t, "limit"),
		}
		want, stopped := text, false
		for _, each := range request.Stop {
			if before, _, found := strings.Cut(text, each); found && (len(before) < len(want) || !stopped && len(before) == len(want)) {
				want, stopped = before, true
			}
		}
		b := brakeFor(wordsOnly{}, request)
		if b == nil {
			return
		}
		var got strings.Builder
		var finish chat.FinishReason
		take := func(event chat.Event) {
			if finish != chat.Unfinished {
				return
			}
			events, _ := b.take(event)
			for _, each := range events {
				got.WriteString(each.Text)
				finish = each.Finish
			}
		}
		for rest := []rune(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			take(say(string(rest[:n])))
			rest = rest[n:]
		}
		take(stop)
		shown := got.String()
		if !strings.HasPrefix(want, shown) || !utf8.ValidString(shown) {
			t.Fatalf("%q of %q", shown, want)
		}
		switch finish {
		case chat.Stop, chat.StoppedAt:
			if shown != want {
				t.Fatalf("%q is not all of %q", shown, want)
			}
		case chat.Length:
			if request.MaxTokens == 0 || tokencount.Text(want) < request.MaxTokens {
				t.Fatalf("cut to %q, but %q has %d tokens of %d", shown, want, tokencount.Text(want), request.MaxTokens)
			}
		default:
			t.Fatalf("ended as %q", finish)
		}
	})
}

func TestWhatTheUpstreamCannotCarryIsRefusedBeforeAToken(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.answersWordsOnly()
	request := newRequest()
	request.Asks = []chat.Ask{{Field: "temperature", Need: chat.Tuning}, {Field: "tools", Need: chat.Tools}}
	got := r.chatWith(t.Context(), t, request, whole)
	if got.err == nil || got.err.Kind != chat.Unsupported || got.err.Param != "tools" ||
		!strings.Contains(got.err.Message, "`tools`") || !strings.Contains(got.err.Message, `"up"`) || len(r.pool.demands) != 0 {
		t.Errorf("got %+v", got.err)
	}
	if e := r.ended(t); e.Attempts != 0 || len(r.count.ignored) != 0 {
		t.Errorf("ignored %v, entry %+v", r.count.ignored, e)
	}
}

func TestWhatOnlyTunesIsIgnoredAndCounted(t *testing.T) {
	t.Parallel()
	request := newRequest()
	request.Asks = []chat.Ask{{Field: "temperature", Need: chat.Tuning}, {Field: "seed", Need: chat.Tuning}}
	for hears, want := range map[string][]string{"nothing": {"temperature", "seed"}, "all": nil, "some": {"seed"}} {
		r := newRig(play(good(say("Hello"))))
		if hears != "all" {
			r.answersWordsOnly()
		}
		if hears == "some" {
			resolve := r.relay.Catalog
			r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
				plan, err := resolve.Resolve(wish)
				target := plan.First
				target.Driver = warm{target.Driver.(wordsOnly)}
				return target, err
			})
		}
		if got := r.chatWith(t.Context(), t, request, whole); got.text() != "Hello" || !slices.Equal(r.count.ignored, want) {
			t.Errorf("ignored %v, got %+v", r.count.ignored, got)
		}
	}
}
