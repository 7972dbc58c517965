package seal

import "testing"

// On a read-only mount, who mounted it decides who sees it.
func TestModeOnAReadOnlyMount(t *testing.T) {
	t.Parallel()
	if err := checkMode("f", 0o444, true); err != nil {
		t.Error(err)
	}
	if err := checkMode("f", 0o444, false); err == nil {
		t.Error("not refused elsewhere")
	}
}
