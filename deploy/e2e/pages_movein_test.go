package e2e_test

import (
	"fmt"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// An admin chooses a file of another gateway, sees what becomes of each thing in it, and moves it
// in. Activity tells, and what is no such file is told.
func TestMovingInInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tab := login(t, gateway, "/admin/tokens")
	tab.Go(gateway.URL + "/admin/move-in")
	choose := func(content string) {
		browser.Eval[bool](tab, fmt.Sprintf(`(() => {
			const files = new DataTransfer();
			files.items.add(new File([%q], 'config.yaml'));
			document.querySelector('#m-files').files = files.files;
			return true;
		})()`, content))
		tab.Click("#movein-plan")
	}
	tab.Expect("400")
	choose("services: {}\n")
	tab.See("#movein-problem", "no form that can be moved in")

	choose(fmt.Sprintf("model_list:\n- model_name: house-model\n  litellm_params: {model: openai/gpt-test, api_base: %s/v1, api_key: sk-moved-in-token-0123456789}\ngeneral_settings:\n  master_key: sk-1234\n", s.SimURL))
	tab.See("#movein-report-title", "To be taken: 2. Changed: 0. Here already: 1. Left: 1.")
	tab.See("#movein-rows", "AUTH_TOKEN")
	for _, problem := range tab.Accessibility() {
		t.Errorf("the plan: %s", problem)
	}
	if there := tagged(t, gateway, "from-litellm"); len(there) > 0 {
		t.Errorf("the plan has taken %v", there)
	}
	tab.Click("#movein-apply")
	tab.See("#movein-report-title", "Taken: 2.")
	if there := tagged(t, gateway, "from-litellm"); len(there) != 1 {
		t.Errorf("the pool has %v", there)
	}
	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit tbody tr", "Moved in")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains: %v", problems)
	}
}
