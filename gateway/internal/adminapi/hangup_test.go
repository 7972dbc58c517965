package adminapi_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// abandoned is a pool whose client hangs up as soon as a token is written: what was written stays
// so, and whoever has gone is not told.
type abandoned struct {
	edited
	hangUp context.CancelFunc

	writing sync.Mutex
	written []string
}

func (p *abandoned) write(ctx context.Context, id string) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.written = append(p.written, id)
	p.hangUp()
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

func (p *abandoned) UpdateToken(ctx context.Context, r *tokenstorev1.UpdateTokenRequest, options ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	became, err := p.edited.UpdateToken(ctx, r, options...)
	if err != nil {
		return nil, err
	}
	return became, p.write(ctx, r.GetId())
}

func (p *abandoned) DeleteToken(ctx context.Context, r *tokenstorev1.DeleteTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteTokenResponse, error) {
	return &tokenstorev1.DeleteTokenResponse{}, p.write(ctx, r.GetId())
}

// Who hangs up ends a change of many tokens: no other is begun. Those that were changed by then are
// in the audit log, and can be undone.
func TestBulkOfAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	const many = 200
	for action, undone := range map[string]func(*tokenstorev1.AuditUndo) []string{
		`"delete"`:                   (*tokenstorev1.AuditUndo).GetDeleted,
		`"enable"`:                   (*tokenstorev1.AuditUndo).GetEnabled,
		`"disable"`:                  (*tokenstorev1.AuditUndo).GetDisabled,
		`"edit","edit":{"weight":3}`: editedOf,
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			p := &abandoned{edited: edited{newPool(many)}, hangUp: hangUp}
			for _, each := range p.tokens {
				each.Enabled = action == `"disable"`
			}
			sendFrom(ctx, t, httptest.NewRecorder(), p.store, p, "POST", "/admin/api/tokens/bulk", key, `{"action":`+action+`,"filter":{"upstream":"cursor"}}`)
			if len(p.kept) != 1 {
				t.Fatalf("%d were written, audited %v", len(p.written), p.kept)
			}
			noted := undone(p.kept[0].GetUndo())
			slices.Sort(noted)
			slices.Sort(p.written)
			if !slices.Equal(noted, p.written) || len(p.written) == many {
				t.Errorf("written: %s; can be undone: %s", strings.Join(p.written, " "), strings.Join(noted, " "))
			}
		})
	}
}

// editedOf are the tokens that an undo edits.
func editedOf(undo *tokenstorev1.AuditUndo) []string {
	var ids []string
	for _, each := range undo.GetTokens() {
		ids = append(ids, each.GetId())
	}
	return ids
}
