package grpcapi_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestNewsService(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		conn := start(t, client).conn
		news, audit := tokenstorev1.NewNewsServiceClient(conn), tokenstorev1.NewAuditServiceClient(conn)
		before, err := news.GetVersions(t.Context(), &tokenstorev1.GetVersionsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.RecordAudit(t.Context(), &tokenstorev1.RecordAuditRequest{Entry: &tokenstorev1.AuditEntry{Action: "login"}}); err != nil {
			t.Fatal(err)
		}
		after, err := news.GetVersions(t.Context(), &tokenstorev1.GetVersionsRequest{})
		if err != nil || after.GetAdmins() == before.GetAdmins() || after.GetLogins() != before.GetLogins() || after.GetTokens() != before.GetTokens() {
			t.Errorf("%v, %v after %v", after, err, before)
		}
	})
}
