package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// An admin is told what is wrong with a passphrase, looks at what a backup would change, and
// restores it. Activity tells.
func TestBackupsInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	fillPair(t, s)
	file := gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/backup", map[string]any{"passphrase": backupPassphrase}).Body
	gateway.MustAdmin(t, http.StatusNoContent, http.MethodDelete, "/admin/api/routes/fast", nil)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 2})

	tab := login(t, gateway, "/admin/settings")
	tab.Follow(".tabs [href='/admin/backup']")
	tab.Type("#m-passphrase", backupPassphrase)
	tab.Type("#m-again", "another one")
	tab.Expect("400")
	tab.Follow("#make-backup")
	tab.See("#problem", "The two passphrases are not the same")

	browser.Eval[bool](tab, fmt.Sprintf(`(() => {
		const bytes = Uint8Array.from(atob(%q), (c) => c.charCodeAt(0));
		const files = new DataTransfer();
		files.items.add(new File([bytes], 'a.backup.age'));
		document.querySelector('#r-file').files = files.files;
		return true;
	})()`, base64.StdEncoding.EncodeToString(file)))
	tab.Type("#r-passphrase", backupPassphrase)
	tab.Follow("#plan-restore")
	tab.See("#plan-add", "fast")
	tab.See("#plan-change", "2 → 5")
	for _, problem := range tab.Accessibility() {
		t.Errorf("the plan: %s", problem)
	}
	if gateway.Admin(t, http.MethodGet, "/admin/api/routes/fast", nil).Status != http.StatusNotFound {
		t.Error("the plan has restored something")
	}
	tab.Type("#a-passphrase", backupPassphrase)
	tab.Follow("#apply-restore")
	tab.See("#plan-title", "Restored")
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/routes/fast", nil)
	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit tbody tr", "Backup restored")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains: %v", problems)
	}
}
