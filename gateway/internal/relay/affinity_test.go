package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
)

func spoken(role chat.Role, texts ...string) chat.Message {
	message := chat.Message{Role: role}
	for _, text := range texts {
		message.Parts = append(message.Parts, chat.Part{Text: text})
	}
	return message
}

// keyUnder is a request's key under a policy.
func keyUnder(policy Policy, request *chat.Request) string {
	return (&conversation{run: &run{policy: policy}, asked: request}).affinityKey()
}

// agent is a request of an agent, as it begins.
func agent(question string) *chat.Request {
	return &chat.Request{
		Tools: []chat.ToolSpec{{Name: "read", Description: "Reads a file.", Schema: []byte(`{"type":"object"}`)}},
		Messages: []chat.Message{
			spoken(chat.System, "x-anthropic-billing-header: cc_version=2.1.34; cch=00001;", "You are an agent."), spoken(chat.User, question),
		},
	}
}

// Which requests have a key, by the settings.
func TestWhoHasAnAffinityKey(t *testing.T) {
	t.Parallel()
	single := &chat.Request{Messages: []chat.Message{spoken(chat.System, "Be brief."), spoken(chat.User, "Hello")}}
	ofUser := &chat.Request{User: "anna", Messages: single.Messages}
	named := &chat.Request{Session: "s1", Messages: single.Messages}
	continued := &chat.Request{Messages: append(slices.Clone(single.Messages), spoken(chat.Assistant, "Hi"), spoken(chat.User, "Go on"))}
	for name, c := range map[string]struct {
		policy Policy
		want   [5]bool // single, of a user, named, continued, with tools
	}{
		"off":                   {Policy{}, [5]bool{}},
		"conversations":         {Policy{Affinity: Conversations}, [5]bool{false, false, true, true, true}},
		"named":                 {Policy{Affinity: Named}, [5]bool{false, false, true, false, false}},
		"sticky":                {Policy{Sticky: true}, [5]bool{false, true, true, false, false}},
		"conversations, sticky": {Policy{Affinity: Conversations, Sticky: true}, [5]bool{false, true, true, true, true}},
	} {
		var got [5]bool
		for i, request := range []*chat.Request{single, ofUser, named, continued, agent("Hello")} {
			got[i] = keyUnder(c.policy, request) != ""
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	one := &conversation{run: &run{policy: Policy{Affinity: Conversations}, choice: lease.Choice{Alias: "the one"}}, asked: named}
	if key := one.affinityKey(); key != "" {
		t.Errorf("key %q where there is no choice", key)
	}
}

// A name of what requests belong to comes before what they say, a user's before that only
// where users are to stay on a token. The key does not say who it is.
func TestANameComesFirst(t *testing.T) {
	t.Parallel()
	policy := Policy{Affinity: Conversations, Sticky: true}
	key := func(session, user, question string) string {
		request := agent(question)
		request.Session, request.User = session, user
		return keyUnder(policy, request)
	}
	session, user := key("s1", "anna", "a"), key("", "anna", "a")
	if session != key("s1", "berta", "b") || session == key("s2", "anna", "a") {
		t.Error("requests of a session, or not of one")
	}
	if user != key("", "anna", "b") || user == key("", "berta", "a") || user == session || strings.Contains(user, "anna") {
		t.Errorf("requests of a user, or not of one: %s", user)
	}
}

// A conversation has one key over all its turns, however it grows; another one has another.
func TestTheKeyOfAConversationStays(t *testing.T) {
	t.Parallel()
	policy := Policy{Affinity: Conversations}
	request := agent("Mend the test.")
	first := keyUnder(policy, request)
	for turn := range 10 {
		request.Messages[0].Parts[0].Text = fmt.Sprintf("x-anthropic-billing-header: cc_version=2.1.34; cch=%05d;", turn+2)
		request.Messages = append(request.Messages,
			chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Text: "I look."}, {Call: &chat.Call{ID: "c", Name: "read"}}}},
			chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: "c", Parts: []chat.Part{{Text: fmt.Sprint("line ", turn)}}}}}},
			spoken(chat.System, fmt.Sprint("Reminder ", turn)),
			spoken(chat.User, "Go on."),
		)
		if got := keyUnder(policy, request); got != first {
			t.Fatalf("key %s after turn %d, it was %s", got, turn, first)
		}
	}
	joined := agent("Mend the test.")
	joined.Messages[0] = spoken(chat.System, "x-anthropic-billing-header: cch=1;\nYou are ", "an agent.")
	joined.Messages[1].Parts = append(joined.Messages[1].Parts, chat.Part{Image: &chat.Image{URL: "data:"}})
	if got := keyUnder(policy, joined); got != first {
		t.Errorf("key %s where the texts are cut otherwise, it was %s", got, first)
	}
	for name, change := range map[string]func(*chat.Request){
		"another question":     func(r *chat.Request) { r.Messages[1].Parts[0].Text = "Mend the build." },
		"other instructions":   func(r *chat.Request) { r.Messages[0].Parts[1].Text = "You are a tester." },
		"another tool":         func(r *chat.Request) { r.Tools[0].Name = "write" },
		"another description":  func(r *chat.Request) { r.Tools[0].Description = "Reads." },
		"another schema":       func(r *chat.Request) { r.Tools[0].Schema = []byte(`{}`) },
		"a question in system": func(r *chat.Request) { r.Messages[1].Role = chat.System },
	} {
		other := agent("Mend the test.")
		change(other)
		if keyUnder(policy, other) == first {
			t.Errorf("%s: the same key", name)
		}
	}
}

// What is hashed is bounded, whatever is sent.
func TestTheKeyLooksAtSoMuch(t *testing.T) {
	t.Parallel()
	policy := Policy{Affinity: Conversations}
	long := strings.Repeat("x", maxMarked)
	request := func(system, schema, question string) *chat.Request {
		return &chat.Request{
			Tools:    []chat.ToolSpec{{Schema: []byte(schema)}},
			Messages: []chat.Message{spoken(chat.System, system), spoken(chat.User, question)},
		}
	}
	want := keyUnder(policy, request(long, long, long))
	if got := keyUnder(policy, request(long+"a", long+"b", long+"c")); got != want {
		t.Error("what comes after the bound changes the key")
	}
	if got := keyUnder(policy, request(long[1:]+"a", long, long)); got == want {
		t.Error("what comes before the bound does not change the key")
	}
}

// A demand has the key of its request.
func TestADemandHasTheKey(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(begin, say("Hello"))))
	r.policy.Affinity = Conversations
	asked := newRequest()
	asked.Session = "a conversation"
	for _, err := range r.relay.Chat(t.Context(), asked, r.caller, r.choice) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := r.pool.demands[0]; d.Affinity == "" {
		t.Errorf("demand %+v", d)
	}
}

func BenchmarkAffinityKey(b *testing.B) {
	policy := Policy{Affinity: Conversations}
	for name, request := range map[string]*chat.Request{
		"single": {Messages: []chat.Message{spoken(chat.System, "Be brief."), spoken(chat.User, "Hello")}},
		"agent":  agent(strings.Repeat("x", 20<<10)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				keyUnder(policy, request)
			}
		})
	}
}
