package usage_test

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Whatever is counted is in the total, also what the contract counts only later.
func TestATotalHasAllThatIsCounted(t *testing.T) {
	t.Parallel()
	one, three := &tokenstorev1.UsageSums{}, &tokenstorev1.UsageSums{}
	fields := one.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		amount := uint64(i + 1)
		one.ProtoReflect().Set(fields.Get(i), protoreflect.ValueOfUint64(amount))
		three.ProtoReflect().Set(fields.Get(i), protoreflect.ValueOfUint64(3*amount))
	}
	if got := usage.Total([]*tokenstorev1.UsageRow{{Sums: one}, {Sums: one}, {}, {Sums: one}}); !proto.Equal(got, three) {
		t.Errorf("got %v\nwant %v", got, three)
	}
}

func TestCostsAreAddedWithinTheirBounds(t *testing.T) {
	t.Parallel()
	if got := usage.Cost(&tokenstorev1.UsageSums{ReportedCost: 1, EstimatedCost: 20, PartialCost: 300}); got != 321 {
		t.Errorf("got %d", got)
	}
	most := &tokenstorev1.UsageSums{ReportedCost: math.MaxUint64}
	total := usage.Total([]*tokenstorev1.UsageRow{{Sums: most}, {Sums: most}})
	if total.GetReportedCost() != math.MaxUint64 {
		t.Errorf("got %d", total.GetReportedCost())
	}
}
