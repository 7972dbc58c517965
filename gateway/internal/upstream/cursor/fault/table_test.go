package fault

import (
	"testing"

	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

func TestEveryNumberIsInARow(t *testing.T) {
	t.Parallel()
	for number, name := range aiserverv1.ErrorDetails_Error_name {
		row := Table.Judge(upstream.Complaint{Status: 200, Names: []string{name}})
		if mute[aiserverv1.ErrorDetails_Error(number)] != (row.Name == "anything else") {
			t.Errorf("%s is decided by %q", name, row.Name)
		}
	}
}
