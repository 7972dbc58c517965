package upstream_test

import (
	"regexp"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// Names that an upstream does not take come back as the client knows them. Trap 40.
func TestToolNames(t *testing.T) {
	t.Parallel()
	long := "mcp__" + strings.Repeat("server_", 14) + "tool"
	own := []string{"read", "files.read", long, long + "2", "наїзд", ""}
	request := &chat.Request{
		Tools:      []chat.ToolSpec{{Name: own[0]}, {Name: own[1]}, {Name: own[2]}},
		ToolChoice: chat.ToolChoice{Names: []string{own[3]}},
		Messages:   []chat.Message{{Parts: []chat.Part{{Text: "x"}, {Call: &chat.Call{Name: own[4]}}, {Call: &chat.Call{Name: own[5]}}}}},
	}
	names, again := upstream.NewToolNames(request, 64), upstream.NewToolNames(request, 64)
	taken := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	seen := map[string]bool{}
	for _, name := range own {
		sent := names.Sent(name)
		if !taken.MatchString(sent) || names.Own(sent) != name || again.Sent(name) != sent || seen[sent] {
			t.Errorf("%q is sent as %q and comes back as %q", name, sent, names.Own(sent))
		}
		seen[sent] = true
	}
	if names.Sent("read") != "read" || names.Own("invented") != "invented" {
		t.Error("names that can be sent are changed")
	}
}

// A tool may have the very name that another's becomes.
func TestToolNamesThatCollide(t *testing.T) {
	t.Parallel()
	of := func(names ...string) *upstream.ToolNames {
		request := &chat.Request{}
		for _, name := range names {
			request.Tools = append(request.Tools, chat.ToolSpec{Name: name})
		}
		return upstream.NewToolNames(request, 64)
	}
	usual := of("files.read").Sent("files.read")
	longer := of("files.read", usual).Sent("files.read")
	own := []string{"files.read", usual, longer}
	names, seen := of(own...), map[string]bool{}
	for _, name := range own {
		sent := names.Sent(name)
		if seen[sent] || names.Own(sent) != name || len(sent) > 64 {
			t.Errorf("%q is sent as %q and comes back as %q", name, sent, names.Own(sent))
		}
		seen[sent] = true
	}
	if usual == longer || names.Sent(usual) != usual {
		t.Errorf("%q stays, %q becomes %q", usual, "files.read", longer)
	}
}
