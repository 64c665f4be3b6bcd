// Runs a fuzz target over the files and folders named on the command line, and over every tenth prefix of each file.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    const std::vector<char> bytes{std::istreambuf_iterator<char>{in}, {}};
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);  // the last line names the culprit
    const auto run = [&](std::size_t size) {
        const std::vector<std::uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        LLVMFuzzerTestOneInput(exact.data(), exact.size());
    };
    for (std::size_t size = 0; size < bytes.size(); size += 10) run(size);
    run(bytes.size());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        const std::filesystem::path path{argv[i]};
        if (!std::filesystem::is_directory(path)) {
            files += replay(path);
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator{path})
            if (entry.is_regular_file()) files += replay(entry.path());
    }
    std::printf("%zu files\n", files);
    return files == 0 ? 1 : 0;
}
