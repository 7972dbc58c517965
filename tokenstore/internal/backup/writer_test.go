package backup

import (
	"strings"
	"testing"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What is more than can be restored is refused when the backup is made, not when it is needed.
func TestNoBackupIsMadeThatCannotBeRestored(t *testing.T) {
	t.Parallel()
	out := &writer{send: new(Contents).Add}
	err := out.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Header{Header: &tokenstorev1.BackupHeader{Version: Version}}})
	page := &tokenstorev1.Page{Path: "/", Content: strings.Repeat("x", 1<<18)}
	for err == nil {
		err = out.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Page{Page: page}})
	}
	if !strings.HasPrefix(rpcerr.Parse(err).Message, "there is more than a backup can have") {
		t.Error(err)
	}
}
