package catalog

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// speaking is a driver whose upstream speaks a dialect, and can be asked in others for words
// only.
type speaking struct {
	*fakeDriver
	dialect string
}

func (s speaking) Speaks(name string) bool { return name == s.dialect }

func (speaking) Carries(chat.Need) bool { return false }

// An upstream that speaks the client's dialect is preferred, and carries all that is said in
// it; not where it has no tokens, and another one has.
func TestWhoSpeaksTheClientsDialectIsPreferred(t *testing.T) {
	t.Parallel()
	r := newRig()
	for _, dialect := range []string{"a", "b"} {
		r.constructors[dialect] = func(config upstream.Config) (upstream.Driver, error) {
			return speaking{&fakeDriver{config: config}, dialect}, nil
		}
	}
	r.Update([]upstream.Config{{Name: "one", Driver: "a", Models: []string{"m"}}, {Name: "two", Driver: "b", Models: []string{"m"}}}, nil)
	plain := func(dialect string) *chat.Request { return &chat.Request{Source: chat.Source{Dialect: dialect}} }
	tools := func(dialect string) *chat.Request {
		return &chat.Request{Source: chat.Source{Dialect: dialect}, Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}}
	}
	odd := func(dialect string) *chat.Request {
		return &chat.Request{Source: chat.Source{Dialect: dialect}, HistoryFault: chat.Errorf(chat.InvalidRequest, "odd")}
	}
	for _, c := range []struct {
		name    string
		stocked []string
		request *chat.Request
		model   string
		want    string
	}{
		{"the first speaks it", []string{"one", "two"}, plain("a"), "m", "one"},
		{"the second speaks it", []string{"one", "two"}, plain("b"), "m", "two"},
		{"nobody speaks it", []string{"one", "two"}, plain("c"), "m", "one"},
		{"only it can carry the request", []string{"one", "two"}, tools("b"), "m", "two"},
		{"only it takes such a history", []string{"one", "two"}, odd("b"), "m", "two"},
		{"it has no tokens", []string{"one"}, plain("b"), "m", "one"},
		{"it has no tokens, and the other can't carry the request", []string{"one"}, tools("b"), "m", "one"},
		{"nobody has tokens", []string{}, plain("b"), "m", "two"},
		{"another one is named", []string{"one", "two"}, plain("b"), "one/m", "one"},
	} {
		r.SetStocked(c.stocked)
		if got, err := r.Resolve(Wish{Model: c.model, Request: c.request}); err != nil || got.First.Upstream != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got.First.Upstream, err, c.want)
		}
	}
}
