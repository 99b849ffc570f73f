#include "apps/numbers.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "apps/failure.h"

namespace sln::apps {

double parse_double(const std::string& option, const std::string& value, double low, double high) {
  double number = 0;
  const char* end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(number) || number < low || number > high) {
    fail(option, ": expected a number from ", low, " to ", high, ", found \"", value, "\"");
  }
  return number;
}

int64_t parse_int(const std::string& option, const std::string& value, int64_t low, int64_t high) {
  int64_t number = 0;
  const char* end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || number < low || number > high) {
    fail(option, ": expected a whole number from ", low, " to ", high, ", found \"", value, "\"");
  }
  return number;
}

std::string shortest(float value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

double shortest_double(float value) {
  const std::string digits = shortest(value);
  double number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::string fixed(double value, int decimals) {
  char buffer[400];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals);
  return std::string(buffer, result.ptr);
}

}  // namespace sln::apps
