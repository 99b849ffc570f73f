#include "apps/overlay.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apps/drawing.h"
#include "apps/failure.h"
#include "apps/rle.h"

namespace sln::apps {
namespace {

constexpr Color kBlack = {0, 0, 0};
constexpr Color kWhite = {255, 255, 255};

// Sizes in pixels, in proportion to the image: at 640 x 480 the outline has 2 pixels and a letter is 10 x 14.
struct Style {
  int outline;
  int stripe_period;
  int text_scale;
};

Style style_of(const Image& image) {
  const double unit = std::sqrt(static_cast<double>(image.width) * image.height) / 554.0;
  Style style;
  style.outline = std::max(1, static_cast<int>(std::floor(2 * unit + 0.5)));
  style.text_scale = std::max(1, static_cast<int>(std::floor(2 * unit + 0.5)));
  style.stripe_period = 5 * style.outline;
  return style;
}

// Chessboard distance of each mask pixel to the nearest pixel outside of the mask (1 at its rim), 0 outside. What lies
// beyond the crop counts as outside.
std::vector<int> distances(const MaskCrop& mask) {
  const int w = mask.width, h = mask.height;
  const size_t stride = static_cast<size_t>(w) + 2;  // a frame of zeros around
  std::vector<int> d(stride * (static_cast<size_t>(h) + 2), 0);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const size_t at = (static_cast<size_t>(y) + 1) * stride + static_cast<size_t>(x) + 1;
      if (mask.pixels[static_cast<size_t>(y) * static_cast<size_t>(w) + static_cast<size_t>(x)] == 0) continue;
      d[at] = 1 + std::min({d[at - 1], d[at - stride - 1], d[at - stride], d[at - stride + 1]});
    }
  }
  for (int y = h; y-- > 0;) {
    for (int x = w; x-- > 0;) {
      const size_t at = (static_cast<size_t>(y) + 1) * stride + static_cast<size_t>(x) + 1;
      if (d[at] != 0)
        d[at] = std::min(d[at], 1 + std::min({d[at + 1], d[at + stride - 1], d[at + stride], d[at + stride + 1]}));
    }
  }
  return d;
}

template <typename Visit>
void for_each_pixel(const MaskCrop& mask, Visit visit) {
  size_t at = 0;
  for (int y = mask.y; y < mask.y + mask.height; ++y) {
    for (int x = mask.x; x < mask.x + mask.width; ++x, ++at) {
      if (mask.pixels[at] != 0) visit(x, y);
    }
  }
}

struct Label {
  int x = 0, y = 0;   // centre
  int thickness = 0;  // of the mask there, half of it, pixels
  std::string number;
  Color color;
};

class Overlay {
 public:
  Overlay(Image* image, const Scene& scene) : image_(image), scene_(scene), style_(style_of(*image)) {
    back_to_front_.resize(scene.objects.size());
    for (size_t i = 0; i < scene.objects.size(); ++i)
      back_to_front_[scene.objects.size() - static_cast<size_t>(scene.objects[i].depth)] = i;
  }

  void draw(bool untrained) {
    mute_photo();
    for (size_t i : back_to_front_) tint(i);
    for (size_t i : back_to_front_) hatch(i);
    std::vector<Label> labels;
    for (size_t i : back_to_front_) outline(i, &labels);
    for (const Label& label : labels) draw_label(label);
    draw_legend();
    if (untrained) draw_banner();
  }

 private:
  MaskCrop decode(const std::string& code) const { return decode_rle(code, scene_.width, scene_.height); }

  // Takes half of the photo's colour away, so that the objects' colours stand out.
  void mute_photo() {
    for (size_t at = 0; at < image_->rgb.size(); at += 3) {
      uint8_t* p = &image_->rgb[at];
      const int luma = (299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000;
      for (int c = 0; c < 3; ++c) p[c] = static_cast<uint8_t>((p[c] + luma) / 2);
    }
  }

  void tint(size_t i) {
    const Color color = distinct_color(static_cast<int>(i));
    for_each_pixel(decode(scene_.objects[i].visible_rle), [&](int x, int y) { blend(image_, x, y, color, 110); });
  }

  // Stripes that run one way for even objects and the other way for odd ones.
  void hatch(size_t i) {
    const Color color = distinct_color(static_cast<int>(i));
    const MaskCrop visible = decode(scene_.objects[i].visible_rle);
    const int period = style_.stripe_period;
    for_each_pixel(decode(scene_.objects[i].amodal_rle), [&](int x, int y) {
      if (visible.at(x, y)) return;
      const int along = (i % 2 == 0 ? x + y : x + image_->height - y) % period;
      blend(image_, x, y, color, 5 * along < 2 * period ? 210 : 24);
    });
  }

  void outline(size_t i, std::vector<Label>* labels) {
    const SceneObject& object = scene_.objects[i];
    const MaskCrop amodal = decode(object.amodal_rle);
    const MaskCrop visible = decode(object.visible_rle);
    if (amodal.width == 0) return;
    const Color color = distinct_color(static_cast<int>(i));
    const int dark = style_.outline + (style_.outline + 1) / 2;  // a dark seam inside keeps it legible on its own tint
    const std::vector<int> d = distances(amodal);
    const size_t stride = static_cast<size_t>(amodal.width) + 2;
    for_each_pixel(amodal, [&](int x, int y) {
      const int distance = d[static_cast<size_t>(y - amodal.y + 1) * stride + static_cast<size_t>(x - amodal.x + 1)];
      if (distance <= style_.outline) {
        blend(image_, x, y, color, 256);
      } else if (distance <= dark) {
        blend(image_, x, y, kBlack, 140);
      }
    });
    Label label = place_label(visible.width > 0 ? visible : amodal);
    label.number = text(object.depth);
    label.color = color;
    labels->push_back(label);
  }

  // In the thickest place of the mask.
  static Label place_label(const MaskCrop& mask) {
    const std::vector<int> d = distances(mask);
    const size_t best = static_cast<size_t>(std::max_element(d.begin(), d.end()) - d.begin());
    const size_t stride = static_cast<size_t>(mask.width) + 2;
    Label label;
    label.thickness = d[best];
    label.x = mask.x + static_cast<int>(best % stride) - 1;
    label.y = mask.y + static_cast<int>(best / stride) - 1;
    return label;
  }

  void draw_label(const Label& label) {
    // Slim objects get smaller letters, so that the number does not hide what it stands for.
    const int fitting = 3 * label.thickness / (kGlyphRows + 4);
    const int scale = std::clamp(fitting, (style_.text_scale + 1) / 2, style_.text_scale);
    const int width = text_width(label.number, scale) + 4 * scale;
    const int height = (kGlyphRows + 4) * scale;
    const int x = std::clamp(label.x - width / 2, 0, std::max(0, image_->width - width));
    const int y = std::clamp(label.y - height / 2, 0, std::max(0, image_->height - height));
    fill_rectangle(image_, x, y, width, height, kBlack, 256);
    fill_rectangle(image_, x + scale / 2, y + scale / 2, width - scale / 2 * 2, height - scale / 2 * 2, label.color,
                   256);
    draw_text(image_, x + 2 * scale, y + 2 * scale, label.number, scale, contrast(label.color));
  }

  // One line at the lower left corner; left out where even the smallest letters do not fit.
  void draw_legend() {
    const size_t count = scene_.objects.size();
    const std::string objects = text(count, count == 1 ? " object" : " objects");
    const std::vector<std::string> parts = {objects, "visible", "hidden", "1 = front"};
    int letters = 0;
    for (const std::string& part : parts) letters += static_cast<int>(part.size()) + 2;
    const int cells = letters + 4;  // two swatches of two letters each
    int scale = std::max(1, style_.text_scale * 3 / 4);
    while (scale > 1 && cells * 6 * scale > image_->width) --scale;
    const int height = (kGlyphRows + 4) * scale;
    if (cells * 6 * scale > image_->width || 4 * height > image_->height) return;
    const int top = image_->height - height;
    fill_rectangle(image_, 0, top, cells * 6 * scale, height, kBlack, 180);
    int x = 4 * scale;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i == 1 || i == 2) x = draw_swatch(x, top + 2 * scale, scale, i == 2);
      draw_text(image_, x, top + 2 * scale, parts[i], scale, kWhite);
      x += (static_cast<int>(parts[i].size()) + 2) * 6 * scale;
    }
  }

  int draw_swatch(int x, int y, int scale, bool hatched) {
    const int width = 9 * scale, height = kGlyphRows * scale, period = 4 * scale;
    for (int py = 0; py < height; ++py) {
      for (int px = 0; px < width; ++px) {
        if (!hatched || (px + py) % period < 2 * scale)
          blend(image_, x + px, y + py, {255, 190, 60}, hatched ? 256 : 190);
      }
    }
    return x + 12 * scale;
  }

  // At the upper left corner, smaller or in two lines where the image is narrow.
  void draw_banner() {
    std::vector<std::string> lines = {"untrained weights"};
    int scale = style_.text_scale;
    if (text_width(lines[0], 1) + 4 > image_->width) lines = {"untrained", "weights"};
    while (scale > 1 && text_width(lines[0], scale) + 4 * scale > image_->width) --scale;
    const int step = (kGlyphRows + 2) * scale;
    const int height = static_cast<int>(lines.size()) * step + 2 * scale;
    fill_rectangle(image_, 0, 0, text_width(lines[0], scale) + 4 * scale, height, {200, 0, 0}, 256);
    for (size_t i = 0; i < lines.size(); ++i) {
      draw_text(image_, 2 * scale, 2 * scale + static_cast<int>(i) * step, lines[i], scale, kWhite);
    }
  }

  Image* image_;
  const Scene& scene_;
  Style style_;
  std::vector<size_t> back_to_front_;
};

}  // namespace

void draw_overlay(Image* image, const Scene& scene, bool untrained) {
  Overlay(image, scene).draw(untrained);
}

}  // namespace sln::apps
