#include "kernels/isa.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "kernels/cpu/parallel.h"

namespace sln::cpu {

TEST_CASE("isa names and their choice agree") {
  for (const Isa i : {Isa::kSse4, Isa::kAvx2, Isa::kAvx512}) {
    CAPTURE(isa_name(i));
    if (isa_supported(i)) {
      CHECK(choose_isa(isa_name(i)) == i);
    } else {
      CHECK_THROWS_WITH(choose_isa(isa_name(i)), Catch::Contains("lacks") && Catch::Contains(isa_name(i)));
    }
  }
  CHECK(isa_name(Isa::kSse4) == std::string("sse4"));
  CHECK(isa_name(Isa::kAvx2) == std::string("avx2"));
  CHECK(isa_name(Isa::kAvx512) == std::string("avx512"));
}

TEST_CASE("without a wish the best instruction set is chosen") {
  const Isa best = isa_supported(Isa::kAvx512) ? Isa::kAvx512 : isa_supported(Isa::kAvx2) ? Isa::kAvx2 : Isa::kSse4;
  CHECK(choose_isa(nullptr) == best);
  CHECK(choose_isa("") == best);
}

TEST_CASE("an unknown instruction set is an error that names it") {
  for (const char* wanted : {"avx", "AVX2", "avx512 ", "scalar", "0"}) {
    CAPTURE(wanted);
    CHECK_THROWS_AS(choose_isa(wanted), std::invalid_argument);
    CHECK_THROWS_WITH(choose_isa(wanted), Catch::Contains(wanted));
  }
}

TEST_CASE("isa follows SLN_ISA as it was at the first call") {
  const Isa first = isa();
  CHECK(first == choose_isa(std::getenv("SLN_ISA")));
  const char* before = std::getenv("SLN_ISA");
  const std::string saved = before == nullptr ? "" : before;
  REQUIRE(setenv("SLN_ISA", "unknown", 1) == 0);
  CHECK(isa() == first);
  REQUIRE((saved.empty() ? unsetenv("SLN_ISA") : setenv("SLN_ISA", saved.c_str(), 1)) == 0);
}

TEST_CASE("the measured peak is a rate that a processor can have") {
  ThreadPool pool(1), two(2);
  const double one = measure_peak_flops(pool);
  CHECK(one > 1e8);  // sanitizers and a loaded machine included
  CHECK(one < 1e12);
  CHECK(measure_peak_flops(two) > 1e8);
}

}  // namespace sln::cpu
