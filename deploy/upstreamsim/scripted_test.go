package upstreamsim

import (
	"fmt"
	"testing"
)

// The results since the script began tell which round is due.
func TestScriptsGoOnWithTheirResults(t *testing.T) {
	t.Parallel()
	text := "Please do. " + Script(
		[]Move{{Think: "Hm."}, {Call: "a"}, {Call: "b"}}, []Move{{Say: "So: " + ResultsMark}, {Call: "c"}}, []Move{{Say: "Done: " + ResultsMark}},
	)
	for results, want := range map[int]string{
		0: "[Hm. a b ]", 1: "[Hm. a b ]", 2: "[So: r0\nr1 c ]", 3: "[Done: r2 ]",
	} {
		var s script
		s.hears("An earlier one: " + Script([]Move{{Say: "x"}}))
		s.hears(text)
		for i := range results {
			s.sees(fmt.Sprintf("r%d", i))
		}
		s.hears("no script")
		got := "["
		for _, move := range s.next() {
			got += move.Think + move.Say + move.Call + " "
		}
		if got += "]"; got != want {
			t.Errorf("after %d results: %q, want %q", results, got, want)
		}
	}
	var none script
	none.hears("Hello <script>not JSON</script>")
	if none.next() != nil {
		t.Errorf("%v", none.next())
	}
}

// A tool of a group goes by a name that has both.
func TestMovesFindTheirTool(t *testing.T) {
	t.Parallel()
	tools := []string{"search", "mcp__notes_search", "mcp__issues__search", "apply_patch"}
	for _, c := range []struct {
		move Move
		want string
	}{
		{Move{Call: "search"}, "search"},
		{Move{Call: "search", Group: "mcp__issues"}, "mcp__issues__search"},
		{Move{Call: "search", Group: "mcp__notes"}, "mcp__notes_search"},
		{Move{Call: "patch"}, ""},
	} {
		if got := c.move.named(tools); got != c.want {
			t.Errorf("%+v: %q", c.move, got)
		}
	}
}
