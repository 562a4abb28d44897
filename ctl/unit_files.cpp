#include "ctl/unit_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>

#include "ctl/detail.hpp"
#include "ctl/unit_info.hpp"
#include "hal/posix/check.hpp"
#include "units/names.hpp"

namespace reeve::ctl {

namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// Drop-ins of NAME.toml.d in all folders: by file name, the folder earlier on the path counts.
void add_drop_ins(const std::vector<std::string>& folders, const std::string& name,
                  std::vector<std::string>& paths) {
    std::map<std::string, std::string> by_file;
    for (const auto& folder : folders) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator{folder + "/" + name + ".toml.d", error}) {
            if (entry.path().extension() != ".toml") continue;
            by_file.emplace(entry.path().filename().string(), entry.path().string());
        }
    }
    for (auto& [file, path] : by_file) paths.push_back(std::move(path));
}

}  // namespace

std::optional<UnitFiles> search_unit_files(const std::vector<std::string>& folders,
                                           const std::string& unit) {
    std::vector<std::string> names{unit};
    if (units::is_instance(unit)) names.emplace_back(units::template_of(unit));
    UnitFiles files{unit, {}};
    for (const auto& name : names) {
        for (const auto& folder : folders) {
            const std::string path = folder + "/" + name + ".toml";
            if (files.paths.empty() && exists(path)) files.paths.push_back(path);
        }
    }
    if (files.paths.empty()) return std::nullopt;
    std::reverse(names.begin(), names.end());  // drop-ins of the template come first
    for (const auto& name : names) add_drop_ins(folders, name, files.paths);
    return files;
}

UnitFiles find_unit_files(Context& context, const std::string& unit) {
    if (!units::is_unit_name(unit)) throw usage_error("not a unit's name: \"" + unit + "\"");
    if (!context.place.offline) {
        try {
            const auto found = describe(context.client(), {unit}, {"Files"});
            const auto paths =
                found.empty() ? std::vector<std::string>{} : found.front()["Files"].words();
            if (!paths.empty()) return {std::string{found.front()["Name"].text()}, paths};
        } catch (const Failure& failure) {
            const bool known_by_files =
                failure.code == code::no_daemon || failure.code == code::no_such_unit;
            if (!known_by_files || !context.place.host.empty()) throw;
        }
    }
    auto files = search_unit_files(context.place.folders, unit);
    if (!files) {
        throw Failure{code::no_such_unit, "NoSuchUnit",
                      "no file " + unit + ".toml in " + context.place.folders.front() +
                          " and the folders after it"};
    }
    return std::move(*files);
}

std::string read_file(const std::string& path) {
    const posix::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) {
        const int error = errno;
        throw Failure{error == EACCES ? code::refused : code::failed, "CannotRead",
                      "cannot read " + path + ": " + std::strerror(error)};
    }
    return read_all(fd.get(), "read a unit file");
}

void write_file(const std::string& path, const std::string& text) {
    const fs::path target{path};
    const std::string beside =
        (target.parent_path() / ("." + target.filename().string())).string() + "." +
        std::to_string(::getpid());
    try {
        fs::create_directories(target.parent_path());
        const posix::Fd fd{posix::check(
            ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), "open")};
        write_all(fd.get(), text, "write");
        posix::check(::fsync(fd.get()), "write to the disk");
        posix::check(::rename(beside.c_str(), path.c_str()), "put in place");
    } catch (const std::system_error& error) {
        ::unlink(beside.c_str());
        const bool denied = error.code() == std::errc::permission_denied ||
                            error.code() == std::errc::operation_not_permitted;
        throw Failure{denied ? code::refused : code::failed, "CannotWrite",
                      "cannot write " + path + ": " + error.code().message() +
                          (denied ? "; try as root or as the owner of the folder" : "")};
    }
}

}  // namespace reeve::ctl
