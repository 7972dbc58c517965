package carried

import (
	"net/http"
	"testing"
)

// A request about what an upstream has given an id has no body, nor anything that tells of one.
func TestBare(t *testing.T) {
	t.Parallel()
	client := http.Header{"Accept": {"*/*"}, "Authorization": {"Bearer k"}, "Content-Type": {"text/plain"}}
	request := Bare(&Route{Name: "things"}, http.MethodDelete, "/thing_1", "m", client)
	if request.Method != http.MethodDelete || request.Route.Name+request.Below != "things/thing_1" || request.Model != "m" || request.Stream {
		t.Errorf("%+v", request)
	}
	if body := request.Body("another"); body.Open != nil || body.Length != 0 {
		t.Errorf("body %+v", body)
	}
	if len(request.Header) != 1 || request.Header.Get("Accept") != "*/*" {
		t.Errorf("header %v", request.Header)
	}
}
