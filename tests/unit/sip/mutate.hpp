// Reproducible damage to messages, with a taste for the octets that structure them.
#pragma once

#include <random>
#include <string>
#include <string_view>

namespace sipfront::test {

class Mutator {
public:
    explicit Mutator(unsigned seed) : random_{seed} {}

    std::size_t below(std::size_t n) { return random_() % n; }

    std::string mutated(std::string text) {
        for (auto n = below(4) + 1; n > 0 && !text.empty(); --n) {
            const auto at = below(text.size());
            switch (below(5)) {
                case 0:
                    text[at] = octet();
                    break;
                case 1:
                    text.insert(at, 1, octet());
                    break;
                case 2:
                    text.erase(at, below(12) + 1);
                    break;
                case 3:
                    text.insert(at, pieces[below(std::size(pieces))]);
                    break;
                default:
                    text.insert(at, text.substr(below(text.size()), below(80)));
                    break;
            }
        }
        return text;
    }

private:
    static constexpr std::string_view pieces[] = {"\r\n",
                                                  "\n",
                                                  "\r",
                                                  "\r\n ",
                                                  "\n\t",
                                                  "\r\n\r\n",
                                                  "\n\n",
                                                  "\n\r\n",
                                                  "\nCall-ID: z\r\n",
                                                  "\r\ni:",
                                                  "\r\nCALL-ID : y",
                                                  "\r\nVia:",
                                                  "\r\nl: 4\r\n",
                                                  ";tag=",
                                                  "\"",
                                                  "\\\"",
                                                  "<",
                                                  ">",
                                                  "(",
                                                  ")",
                                                  ",",
                                                  ";;",
                                                  " : ",
                                                  "SIP/2.0",
                                                  "sip:",
                                                  "=\"",
                                                  "\xff\xfe",
                                                  "branch = "};
    char octet() {
        constexpr std::string_view usual =
            "\r\n\t :;,\"<>()=\\\0aCi/@[]"
            "0";
        return below(3) == 0 ? static_cast<char>(below(256)) : usual[below(usual.size())];
    }
    std::mt19937 random_;
};

}  // namespace sipfront::test
