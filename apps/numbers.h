// Numbers to and from text, the same in every locale.
#pragma once

#include <cstdint>
#include <string>

namespace sln::apps {

// Parse a whole option value; `option` names it in errors. Both ends of the range are allowed.
double parse_double(const std::string& option, const std::string& value, double low, double high);
int64_t parse_int(const std::string& option, const std::string& value, int64_t low, int64_t high);

// The shortest text that reads back as the same float.
std::string shortest(float value);
// The double nearest to that text: as JSON it prints as shortly as the float did.
double shortest_double(float value);
// Fixed number of decimals, for people.
std::string fixed(double value, int decimals);

}  // namespace sln::apps
