package cases

import "testing"

// complete demands a whole answer with one end.
func complete(t *testing.T, got answer) {
	t.Helper()
	if got.Status != 200 || got.Failure != nil || len(got.Finish) != 1 {
		t.Errorf("status %d, failure %+v, finish %q", got.Status, got.Failure, got.Finish)
	}
}

// says demands a whole answer with that text.
func says(text string) func(t *testing.T, got answer) {
	return func(t *testing.T, got answer) {
		t.Helper()
		complete(t, got)
		if got.Text != text {
			t.Errorf("text %q, want %q", got.Text, text)
		}
	}
}
