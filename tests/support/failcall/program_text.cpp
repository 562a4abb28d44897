#include "tests/support/failcall/program_text.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>

namespace reeve::failcall {

namespace {

constexpr std::size_t words_searched = 1'500;  // ASan's interceptors and sd-bus have large frames

std::size_t read_memory(pid_t pid, std::uint64_t from, void* to, std::size_t size) {
    const iovec local{to, size};
    const iovec remote{reinterpret_cast<void*>(from), size};
    const ssize_t got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    return got < 0 ? 0 : static_cast<std::size_t>(got);
}

// Page by page: the stack of the main thread ends somewhere above.
std::vector<std::uint64_t> stack_words(pid_t thread, std::uint64_t from, std::size_t count) {
    constexpr std::uint64_t page = 4'096;
    std::vector<std::uint64_t> words(count);
    const std::size_t wanted = count * sizeof(std::uint64_t);
    std::size_t have = 0;
    while (have < wanted) {
        const std::size_t part = std::min<std::size_t>(page - (from + have) % page, wanted - have);
        char* const to = reinterpret_cast<char*>(words.data()) + have;
        if (read_memory(thread, from + have, to, part) != part) break;
        have += part;
    }
    words.resize(have / sizeof(std::uint64_t));
    return words;
}

struct MapLine {
    std::uint64_t begin = 0, end = 0;
    bool is_code = false;
    std::string path;
};

std::vector<MapLine> maps_of(pid_t pid) {
    std::vector<MapLine> lines;
    std::ifstream maps{"/proc/" + std::to_string(pid) + "/maps"};
    for (std::string text; std::getline(maps, text);) {
        std::istringstream words{text};
        MapLine line;
        std::string rights, offset, device, inode;
        char dash = 0;
        words >> std::hex >> line.begin >> dash >> line.end >> rights >> offset >> device >> inode;
        words >> line.path;
        line.is_code = rights.find('x') != rights.npos;
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string executable_of(pid_t pid) {
    char path[PATH_MAX];
    const std::string link = "/proc/" + std::to_string(pid) + "/exe";
    const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
    return {path, static_cast<std::size_t>(length < 0 ? 0 : length)};
}

}  // namespace

ProgramText::ProgramText(pid_t pid) : pid_{pid} {
    const std::string program = executable_of(pid);
    for (const MapLine& line : maps_of(pid)) {
        if (line.path != program) continue;
        if (base_ == 0) base_ = line.begin;
        if (!line.is_code || !code_.empty()) continue;
        begin_ = line.begin;
        code_.resize(line.end - line.begin);
        if (read_memory(pid, line.begin, code_.data(), code_.size()) != code_.size())
            throw std::runtime_error{"cannot read the code of " + program};
    }
    if (code_.empty()) throw std::runtime_error{"no code of " + program + " is mapped"};
}

void ProgramText::read_mappings() {
    mappings_.clear();
    for (const MapLine& line : maps_of(pid_)) {
        const std::string name = line.path.substr(line.path.rfind('/') + 1);
        Library library = Library::other;
        if (name.find("libasan") == 0) library = Library::address_sanitizer;
        if (name.find("libubsan") == 0) library = Library::undefined_sanitizer;
        if (line.is_code) mappings_[line.begin] = {line.end, library};
    }
}

bool ProgramText::is_mapped(std::uint64_t address) const {
    const auto after = mappings_.upper_bound(address);
    return after != mappings_.begin() && address < std::prev(after)->second.end;
}

ProgramText::Library ProgramText::library_at(std::uint64_t address) const {
    if (!is_mapped(address)) return Library::other;
    return std::prev(mappings_.upper_bound(address))->second.library;
}

bool ProgramText::is_of_sanitizer(pid_t thread, std::uint64_t address,
                                  std::uint64_t stack_pointer) {
    constexpr std::size_t near = 40;           // words; a frame of the sanitizer's own
    if (!is_mapped(address)) read_mappings();  // a library has been loaded
    if (library_at(address) != Library::other) return true;
    for (const std::uint64_t word : stack_words(thread, stack_pointer, near)) {
        if (word >= begin_ && word < begin_ + code_.size()) return false;
        if (library_at(word) == Library::undefined_sanitizer) return true;
    }
    return false;
}

std::optional<std::uint64_t> ProgramText::caller(pid_t thread, std::uint64_t stack_pointer) const {
    for (const std::uint64_t word : stack_words(thread, stack_pointer, words_searched)) {
        if (follows_a_call(word)) return word - base_;
    }
    return std::nullopt;
}

bool ProgramText::follows_a_call(std::uint64_t address) const noexcept {
    if (address < begin_ + 8 || address >= begin_ + code_.size()) return false;
    const std::uint8_t* const at = code_.data() + (address - begin_);
#if defined(__x86_64__)
    if (at[-5] == 0xe8) return true;  // call rel32
    for (const int length : {2, 3, 4, 6, 7}) {
        if (at[-length] == 0xff && (at[1 - length] & 0x38) == 0x10) return true;  // call r/m64
    }
    return false;
#elif defined(__aarch64__)
    std::uint32_t before = 0;
    std::memcpy(&before, at - 4, sizeof before);
    return (before & 0xfc000000U) == 0x94000000U || (before & 0xfffffc1fU) == 0xd63f0000U;
#else
#error "say how a call looks on this machine"
#endif
}

}  // namespace reeve::failcall
