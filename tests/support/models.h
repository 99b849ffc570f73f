// Small models and pictures for tests, made from integers so that they are the same everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/blob.h"
#include "engine/config.h"
#include "engine/tensor.h"
#include "tests/support/files.h"

namespace sln::test {

// A folder of this test process alone, removed at exit.
std::string temporary_folder();

// Config JSON of a network of a few hundred thousand MACs. side: S, a multiple of 32.
std::string small_config_json(int side = 64);

// Random weights of He scale for every tensor of the config.
std::vector<Tensor> random_weights(const Config& config, uint32_t seed);

// Writes a blob with random weights into the temporary folder and returns its path.
std::string write_model(const std::string& name, uint32_t seed, const std::string& config_json);
std::string write_small_model(const std::string& name, uint32_t seed, int side = 64);

// A tensor of a blob.
std::vector<float> read_weights(const Blob& blob, const std::string& tensor);

// An RGB picture (height, width, 3) with edges and gradients.
std::vector<uint8_t> test_picture(int width, int height, uint32_t seed = 1);

}  // namespace sln::test
